import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ServerProcess, startServer } from './server-process.ts';
import { readVitals, type Vitals, vitalsMonitor } from './vitals.ts';

export type { Vitals } from './vitals.ts';

/** A server in a process of its own, whose event loop and memory can be read from outside. */
export interface WatchedServer extends ServerProcess {
  /** Reads its vitals, and begins a new interval for the delays. While its event loop is blocked, this waits. */
  vitals(): Promise<Vitals>;
  /** Collects its garbage, and returns the bytes in use: of its heap, and of native objects that belong to it. */
  bytesInUse(): Promise<number>;
}

/**
 * Starts a server as {@link startServer} does, with a monitor in its process.
 * @param heapMb the limit of its heap, if it is to have another than Node's
 */
export async function startWatchedServer(env: Record<string, string>, heapMb?: number): Promise<WatchedServer> {
  const socket = path.join(await mkdtemp(path.join(tmpdir(), 'vitals-')), 'socket');
  const options = [`--import=${vitalsMonitor}`, heapMb && `--max-old-space-size=${heapMb}`];
  const server = startServer({ ...env, VITALS_SOCKET: socket, NODE_OPTIONS: options.filter(Boolean).join(' ') });
  return {
    ...server,
    vitals: () => readVitals(socket),
    bytesInUse: async () => {
      const { heapUsedBytes, externalBytes } = await readVitals(socket, true);
      return heapUsedBytes + externalBytes;
    },
  };
}
