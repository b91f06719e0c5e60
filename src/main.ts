import { run } from './cli/run.ts';
import { readEnvironment } from './environment.ts';

process.exitCode = await run(['serve'], {
  env: readEnvironment(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
