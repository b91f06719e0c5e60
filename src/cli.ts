import { run } from './cli/run.ts';
import { readEnvironment } from './environment.ts';

// Whoever reads may have read enough, as `head` does.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

process.exitCode = await run(process.argv.slice(2), {
  env: readEnvironment(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
// What a migration has left running, such as a timer, must not keep the process.
setTimeout(() => process.exit(), 1_000).unref();
