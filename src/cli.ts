import { enableCompileCache } from 'node:module';
import path from 'node:path';

// Most of a short command's time is compiling. What comes of it is kept beside the packages, and goes with them.
enableCompileCache(path.join(import.meta.dirname, '../node_modules/.cache/tenantry'));
const { runHere } = await import('./cli/run-here.ts');

process.exitCode = await runHere(process.argv.slice(2));
// What a migration has left running, such as a timer, must not keep the process.
setTimeout(() => process.exit(), 1_000).unref();
