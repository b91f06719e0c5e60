import { mkdtemp } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { startWatchedServer, type WatchedServer } from '../support/watched-server.ts';

const MB = 1024 * 1024;

/** By how much the process may grow; a thousand such clients held 980 MB before. */
const MAX_GROWTH_BYTES = 600 * MB;

describe('clients that are slow on purpose', () => {
  let postgres: TestPostgres;
  let server: WatchedServer;
  let client: HttpClient;
  let sockets: Socket[] = [];
  beforeAll(async () => {
    postgres = await startTestPostgres();
    const folder = await mkdtemp(path.join(tmpdir(), 'slow-clients-'));
    server = await startWatchedServer({ ...ownInstallation(postgres, folder), LOG_LEVEL: 'warn' });
    client = await server.listening();
    await client.ask('{ server { name } }');
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  /** Opens a connection and sends the start of a request; `closed` tells whether the server has closed it. */
  function open(start: string) {
    const socket = connect(client.port, '127.0.0.1');
    const state = { socket, closed: false };
    sockets.push(socket);
    socket
      .on('error', () => undefined)
      .on('close', () => {
        state.closed = true;
      });
    socket.write(start);
    return state;
  }

  const post = (length: number, headers = '') =>
    `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}content-length: ${length}\r\n\r\n`;

  it('cannot fill the memory with requests that they do not finish', async () => {
    const before = await server.vitals();
    const small = open(`${post(100)}{"query":`);
    const start = `${post(999_999)}${'x'.repeat(980_000)}`;
    const slow: { readonly closed: boolean }[] = [];
    let largest = 0;
    for (let count = 0; count < 1000; count += 1) {
      slow.push(open(start));
      if (count % 50 !== 49) continue;
      await sleep(100);
      largest = Math.max(largest, (await server.vitals()).rssBytes);
    }
    await expect.poll(() => slow.filter(({ closed }) => closed).length, { timeout: 20_000 }).toBeGreaterThan(500);
    expect(largest - before.rssBytes).toBeLessThan(MAX_GROWTH_BYTES);
    expect(await client.ask('{ server { name } }')).toEqual({ data: { server: { name: 'Tenantry' } } });
    // The oldest of all, but it holds next to nothing.
    expect(small.closed).toBe(false);
  }, 120_000);
});
