import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Writes a chunk to a stream, and waits until it takes more.
 * @throws the stream's error, also if it failed before, or the signal's reason
 */
export async function writeTo(destination: Writable, chunk: Buffer, signal: AbortSignal): Promise<void> {
  if (destination.write(chunk)) return;
  requireOpen(destination);
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  try {
    await Promise.race(['drain', 'close'].map((event) => once(destination, event, { signal: either })));
  } finally {
    ended.abort();
  }
  requireOpen(destination);
}

function requireOpen(destination: Writable): void {
  if (destination.destroyed) throw destination.errored ?? new Error('The output was closed');
}

/** Waits until everything that was written has left this process. */
export function flushed(destination: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    destination.write('', (error) => (error ? reject(error) : resolve()));
  });
}
