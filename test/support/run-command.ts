import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { run } from '../../src/cli/run.ts';

/** Runs a command line inside this process, with these settings and no others. */
export async function runCommand(argv: readonly string[], env: Record<string, string>) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const written = Promise.all([text(stdout), text(stderr)]);
  const exit = await run(argv, { env, stdout, stderr });
  stdout.end();
  stderr.end();
  const [out, err] = await written;
  return { exit, stdout: out, stderr: err };
}
