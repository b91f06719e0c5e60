/** Carries out runs as `tenantry worker` does; tells its parent when it is ready, and when asked how much memory it holds. */
import { PassThrough } from 'node:stream';
import { runWorker } from '../src/server/serve.ts';
import { product } from '../test/fixture/product.ts';

/** What it tells. */
export type WorkerMessage = 'ready' | { readonly rss: number };

const tell = (message: WorkerMessage) => void process.send?.(message);
process.on('message', () => {
  // What V8 has not yet collected says when it likes to collect, and not what is held.
  globalThis.gc?.();
  tell({ rss: process.memoryUsage.rss() });
});
const out = new PassThrough();
out.once('data', () => tell('ready'));
await runWorker(process.env, out, () => Promise.resolve(product));
process.disconnect();
