import { runHere } from './cli/run-here.ts';

process.exitCode = await runHere(['serve'], async () => (await import('./modules/index.ts')).product);
// What a migration has left running, such as a timer, must not keep the process.
setTimeout(() => process.exit(), 1_000).unref();
