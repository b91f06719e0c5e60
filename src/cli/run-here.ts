import { writeSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import path from 'node:path';
import { type Environment, readEnvironment } from '../config/environment.ts';
import type { LoadProduct } from '../installation/product.ts';
import { messageOf } from '../lib/errors.ts';
import { exitCode } from './ui/terminal.ts';

/**
 * Runs a command line with the environment and the streams of this process.
 * @param argv the arguments, without Node and the script
 * @param loadProduct loads the product's modules
 * @returns the exit status
 */
export async function runHere(argv: readonly string[], loadProduct: LoadProduct): Promise<number> {
  // A short command spends most of its time compiling. The cache is stored with the packages and is removed with them.
  enableCompileCache(path.join(import.meta.dirname, '../../node_modules/.cache/tenantry'));
  const { run } = await import('./run.ts');
  const { stdin, stdout, stderr } = process;
  // The reader may close the pipe early, as `head` does. The command still finishes, and its exit status counts.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      // The process ends before a stream would write it.
      if (stream === stdout) writeSync(2, `The output cannot be written: ${error.message}\n`);
      process.exit(exitCode.failure);
    });
  }
  let environment: Environment;
  try {
    environment = readEnvironment();
  } catch (error) {
    stderr.write(`${messageOf(error)}\n`);
    return exitCode.failure;
  }
  return run(argv, { ...environment, stdin, stdout, stderr, loadProduct });
}
