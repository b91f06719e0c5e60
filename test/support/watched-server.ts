import { mkdtemp } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { type ServerProcess, startServer } from './server-process.ts';

/** How a server's process is. */
export interface Vitals {
  /** The longest delay of its event loop since the last reading, in milliseconds; the sampling interval (5 ms) included. */
  readonly maxDelayMs: number;
  readonly p99DelayMs: number;
  readonly heapUsedBytes: number;
  readonly rssBytes: number;
}

/** A server in a process of its own, whose event loop and memory can be read from outside. */
export interface WatchedServer extends ServerProcess {
  /** Reads its vitals, and begins a new interval for the delays. While its event loop is blocked, this waits. */
  vitals(): Promise<Vitals>;
}

/**
 * Starts a server as {@link startServer} does, with a monitor in its process.
 * @param heapMb the limit of its heap, if it is to have another than Node's
 */
export async function startWatchedServer(env: Record<string, string>, heapMb?: number): Promise<WatchedServer> {
  const socket = path.join(await mkdtemp(path.join(tmpdir(), 'vitals-')), 'socket');
  const monitor = pathToFileURL(path.join(import.meta.dirname, 'vitals-monitor.ts'));
  const options = [`--import=${monitor}`, heapMb && `--max-old-space-size=${heapMb}`];
  const server = startServer({ ...env, VITALS_SOCKET: socket, NODE_OPTIONS: options.filter(Boolean).join(' ') });
  return { ...server, vitals: () => readVitals(socket) };
}

function readVitals(socketPath: string): Promise<Vitals> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/' }, (response) => {
      // The monitor answers in this shape.
      text(response).then((body) => resolve(JSON.parse(body) as Vitals), reject);
    })
      .on('error', reject)
      .end();
  });
}
