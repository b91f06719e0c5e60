/** Carries out runs like `tenantry worker`. Reports to its parent when it is ready and, on request, its memory. */
import { PassThrough } from 'node:stream';
import { runWorker } from '../src/server/serve.ts';
import { product } from '../test/fixture/product.ts';

/** A message to the parent. */
export type WorkerMessage = 'ready' | { readonly rss: number };

const report = (message: WorkerMessage) => void process.send?.(message);
process.on('message', () => {
  // Garbage that V8 has not collected yet must not count.
  globalThis.gc?.();
  report({ rss: process.memoryUsage.rss() });
});
const out = new PassThrough();
out.once('data', () => report('ready'));
await runWorker(process.env, out, () => Promise.resolve(product));
process.disconnect();
