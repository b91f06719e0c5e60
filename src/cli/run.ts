import { Command, CommanderError } from 'commander';
import { messageOf } from '../lib/errors.ts';
import { productVersion } from '../lib/version.ts';
import { addAuditCommand } from './commands/audit.ts';
import { addCheckpointCommand } from './commands/checkpoint.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addDriftCommand } from './commands/drift/drift.ts';
import { addStatusCommand } from './commands/fleet/status.ts';
import { addTopCommand } from './commands/fleet/top.ts';
import { addKeysCommand } from './commands/keys.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addServeCommand } from './commands/serve.ts';
import { addServerCommand } from './commands/server.ts';
import { addSetupCommand } from './commands/setup.ts';
import { addPsqlCommand } from './commands/tenant/psql.ts';
import { addTenantCommand } from './commands/tenant/tenant.ts';
import { addTokenCommand } from './commands/token.ts';
import { addUserCommand } from './commands/user.ts';
import { addWebhookCommand } from './commands/webhooks/webhook.ts';
import { addWorkerCommand } from './commands/worker.ts';
import { type CommandContext, CommandExit, exitCode, type Terminal } from './ui/terminal.ts';

/**
 * Runs a command line.
 * @param argv the arguments, without Node and the script
 * @returns the exit status
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const program = createProgram(terminal);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode.success;
  } catch (error) {
    if (error instanceof CommandExit) return error.code;
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.success : exitCode.usage;
    if (error instanceof Error && error.name === 'AbortError') return exitCode.interrupted;
    const { verbose } = program.opts<{ verbose?: true }>();
    terminal.stderr.write(`${verbose ? stackOf(error) : locatedMessageOf(error)}\n`);
    return exitCode.failure;
  }
}

/** Returns an error's message. Node says only in the stack, before the error's name, in which file and line the syntax is wrong. */
function locatedMessageOf(error: unknown): string {
  if (!(error instanceof SyntaxError)) return messageOf(error);
  const place = error.stack?.slice(0, error.stack.indexOf(error.name)).trim();
  return place ? `${place}\n${messageOf(error)}` : messageOf(error);
}

/** Returns the stack of an error and of its causes. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return messageOf(error);
  const stack = error.stack ?? messageOf(error);
  return error.cause === undefined ? stack : `${stack}\nCaused by: ${stackOf(error.cause)}`;
}

/** Shortens Commander's message for an invalid argument. An explanation that begins with "is" follows the value directly. */
function shortenArgumentError(text: string): string {
  const [before, between, after] = ["error: command-argument value '", "' is invalid for argument '", "'. "];
  const middle = text.lastIndexOf(between);
  const end = text.indexOf(after, middle + between.length);
  if (!text.startsWith(before) || middle < 0 || end < 0) return text;
  const value = text.slice(before.length, middle);
  const name = text.slice(middle + between.length, end);
  const explanation = text.slice(end + after.length);
  return `error: ${value} ${explanation.startsWith('is ') ? '' : `cannot be the ${name}. `}${explanation}`;
}

/** Creates all commands with their options. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('tenantry')
    .description('A GraphQL server that gives every tenant its own PostgreSQL database or schema')
    .option('--verbose', 'show the log, the duration of each statement and the stack of errors')
    .version(productVersion, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'Show help')
    .helpCommand('help [command]', 'Show help for a command')
    .showHelpAfterError('(run with --help for usage)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      getOutHelpWidth: () => terminal.stdout.columns || 100,
      outputError: (text, write) => write(shortenArgumentError(text)),
      getErrHelpWidth: () => terminal.stderr.columns || 100,
    })
    .exitOverride();
  let command = program;
  program.hook('preAction', (_program, chosen) => {
    command = chosen;
  });
  const context: CommandContext = {
    ...terminal,
    get verbose() {
      return program.opts<{ verbose?: true }>().verbose === true;
    },
    get command() {
      return command;
    },
  };
  addServeCommand(program, context);
  addWorkerCommand(program, context);
  addSetupCommand(program, context);
  addDoctorCommand(program, context);
  addStatusCommand(program, context);
  addTokenCommand(program, context);
  addKeysCommand(program, context);
  addTenantCommand(program, context);
  addPsqlCommand(program, context);
  addServerCommand(program, context);
  addUserCommand(program, context);
  addMigrateCommand(program, context);
  addCheckpointCommand(program, context);
  addDriftCommand(program, context);
  addWebhookCommand(program, context);
  addAuditCommand(program, context);
  addTopCommand(program, context);
  addCompletionCommand(program, context);
  return program;
}
