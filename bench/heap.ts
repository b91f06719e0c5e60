import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';

/**
 * Returns the bytes in use after garbage collection. Compiled code is in other spaces and belongs to no tenant. So are large
 * objects, which V8 frees in megabytes at its own pace. A tenant keeps only small objects.
 */
export async function heapInUse(): Promise<number> {
  if (!globalThis.gc) throw new Error('Start node with --expose-gc, as `npm run bench` does');
  for (let pass = 0; pass < 4; pass += 1) {
    globalThis.gc();
    // Finalisers run between turns. The next pass collects what they release.
    await sleep(50);
  }
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => ['new_space', 'old_space'].includes(space_name));
  return spaces.reduce((bytes, { space_used_size }) => bytes + space_used_size, 0);
}
