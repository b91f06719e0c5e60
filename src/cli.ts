import { enableCompileCache } from 'node:module';
import path from 'node:path';

// Most of a short command's time is compiling. What comes of it is kept beside the packages, and goes with them.
enableCompileCache(path.join(import.meta.dirname, '../node_modules/.cache/tenantry'));
const { runHere } = await import('./cli/run-here.ts');

// Whoever reads may have read enough, as `head` does. What is under way is still done, and its exit status counts.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exit(1);
  });
}

process.exitCode = await runHere(process.argv.slice(2));
// What a migration has left running, such as a timer, must not keep the process.
setTimeout(() => process.exit(), 1_000).unref();
