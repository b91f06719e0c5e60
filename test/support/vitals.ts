import { request } from 'node:http';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

/** How a server's process is. */
export interface Vitals {
  /** The longest delay of its event loop since the last reading, in milliseconds; the sampling interval (5 ms) included. */
  readonly maxDelayMs: number;
  readonly p99DelayMs: number;
  readonly heapUsedBytes: number;
  /** Memory of buffers and other native objects that belong to objects of the heap. */
  readonly externalBytes: number;
  readonly rssBytes: number;
  /** The CPU time that it has used since it started, in milliseconds. */
  readonly cpuMs: number;
}

/** The module that a process is to `--import`, with the path of a socket in VITALS_SOCKET, so that its vitals can be read. */
export const vitalsMonitor = pathToFileURL(path.join(import.meta.dirname, 'vitals-monitor.ts')).href;

/**
 * Reads the vitals of the process with this socket.
 * @param collects whether to collect its garbage before, so that its heap holds only what is in use
 */
export function readVitals(socketPath: string, collects = false): Promise<Vitals> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: collects ? '/collected' : '/' }, (response) => {
      // The monitor answers in this shape.
      text(response).then((body) => resolve(JSON.parse(body) as Vitals), reject);
    })
      .on('error', reject)
      .end();
  });
}
