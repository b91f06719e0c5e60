import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 20;
const GIVE_UP_MS = 30_000;

/**
 * Looks again and again until there is an answer.
 * @throws {Error} naming what did not happen, after 30 s
 */
export async function eventually<T>(
  what: string | (() => string),
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  for (const start = Date.now(); Date.now() - start < GIVE_UP_MS; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(LOOK_MS);
  }
  throw new Error(`This did not happen: ${typeof what === 'string' ? what : what()}`);
}
