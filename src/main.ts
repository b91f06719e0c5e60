import { run } from './cli/run.ts';
import { readEnvironment } from './environment.ts';

process.exitCode = await run(['serve'], {
  env: readEnvironment(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
// What a migration has left running, such as a timer, must not keep the process.
setTimeout(() => process.exit(), 1_000).unref();
