import { Command, CommanderError } from 'commander';
import { messageOf } from '../errors.ts';
import { addServeCommand } from './serve.ts';
import { addServerCommand } from './server.ts';
import { addTokenCommand } from './token.ts';
import { addWorkerCommand } from './worker.ts';

/** What a command reads and writes. Only `src/cli` prints. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results, and nothing else. */
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** How a command ends, as the shell sees it. */
export const exitCode = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/**
 * Runs one command line.
 * @param argv the arguments, without Node and the script
 * @returns the exit status
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('tenantry')
    .description('A GraphQL server that gives every tenant a PostgreSQL database, or a schema, of its own')
    .helpOption('-h, --help', 'Show help')
    .helpCommand('help [command]', 'Show help for a command')
    .showHelpAfterError('(add --help to see what can be said)')
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    })
    .exitOverride();
  addServeCommand(program, terminal);
  addTokenCommand(program, terminal);
  addWorkerCommand(program, terminal);
  addServerCommand(program, terminal);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode.success;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.success : exitCode.usage;
    terminal.stderr.write(`${messageOf(error)}\n`);
    return exitCode.failure;
  }
}
