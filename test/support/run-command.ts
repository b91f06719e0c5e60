import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { run } from '../../src/cli/run.ts';
import type { Config } from '../../src/config/config.ts';
import { migrationDirs } from './child-env.ts';
import { product } from './product.ts';

/** How a command ended, and what it wrote. */
export interface CommandResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command line inside this process, with these settings and no others but the folder of migrations.
 * @param columns the width of the terminal; without it, it is none
 * @param stdin what it reads; by default nothing
 */
export async function runCommand(
  argv: readonly string[],
  env: Record<string, string>,
  columns?: number,
  stdin: NodeJS.ReadableStream = Readable.from([]),
): Promise<CommandResult> {
  const screen = () => Object.assign(new PassThrough(), columns === undefined ? {} : { isTTY: true, columns });
  const stdout = screen();
  const stderr = screen();
  const written = Promise.all([text(stdout), text(stderr)]);
  const loadProduct = () => Promise.resolve(product);
  const exit = await run(argv, { env: { ...migrationDirs, ...env }, stdin, stdout, stderr, loadProduct });
  stdout.end();
  stderr.end();
  const [out, err] = await written;
  return { exit, stdout: out, stderr: err };
}

/**
 * A way to run commands over an installation that runs: they join its PostgreSQL.
 * @param more further settings
 */
export function commandsOf(
  { services }: { readonly services: { readonly config: Config } },
  more: Record<string, string> = {},
) {
  const { dataDir, migrations } = services.config;
  const env = {
    NODE_ENV: 'test',
    DATA_DIR: dataDir,
    TENANT_MIGRATIONS_DIR: migrations.tenantDir,
    COMMON_MIGRATIONS_DIR: migrations.commonDir,
    ...more,
  };
  return (...argv: string[]) => runCommand(argv, env);
}
