import { run } from './cli/run.ts';
import { readEnvironment } from './environment.ts';

process.exitCode = await run(process.argv.slice(2), {
  env: readEnvironment(),
  stdout: process.stdout,
  stderr: process.stderr,
});
