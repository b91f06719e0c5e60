import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ReadableStream as WebStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { HttpClient } from '../../support/http-client.ts';
import { ownInstallation } from '../../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';
import { startWatchedServer, type WatchedServer } from '../../support/watched-server.ts';

const MB = 1024 * 1024;
const SIZE = 60 * MB;
/** By how much the process may grow; ten such files would need 600 MB. */
const MAX_GROWTH_BYTES = 200 * MB;
const piece = randomBytes(MB);

describe('large files', () => {
  let folder: string;
  let postgres: TestPostgres;
  let server: WatchedServer;
  let client: HttpClient;
  let headers: Record<string, string>;
  const files: { id: string; url: string }[] = [];
  const sockets: Socket[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-large-'));
    postgres = await startTestPostgres();
    // One connection for the tenant.
    const env = { ...ownInstallation(postgres, folder), TENANT_POOL_SIZE: '1', FILES_DIR: path.join(folder, 'files') };
    server = await startWatchedServer(env);
    client = await server.listening();
    headers = { ...server.admin(), 'x-tenant': 'acme' };
    const create = 'mutation { createTenant(input: { slug: "acme", name: "x", isolation: SCHEMA }) { id } }';
    expect((await client.ask(create, server.admin())).errors).toBeUndefined();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function announce(size: number): Promise<{ id: string; url: string }> {
    const text = `mutation { createUpload(input: { name: "a", contentType: "video/mp4", size: ${size} }) { url file { id } } }`;
    const { data } = await client.ask<{ createUpload: { url: string; file: { id: string } } }>(text, headers);
    const { url, file } = data?.createUpload ?? expect.unreachable();
    return { id: file.id, url: new URL(url, client.url).href };
  }

  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < SIZE; sent += MB) yield piece;
  }

  /** Does something, and gives by how many bytes the server has grown at most meanwhile. */
  async function growthDuring(work: Promise<unknown>): Promise<number> {
    const { rssBytes } = await server.vitals();
    let [largest, isOver] = [rssBytes, false];
    const ended = work.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      largest = Math.max(largest, (await server.vitals()).rssBytes);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
    await ended;
    return largest - rssBytes;
  }

  it('are uploaded without being held in memory', async () => {
    for (let count = 0; count < 5; count += 1) files.push(await announce(SIZE));
    const upload = async ({ url }: { url: string }) => {
      // Node's own type has this function; the one of browsers that `fetch` takes does not.
      const body = WebStream.from(pieces()) as unknown as ReadableStream;
      const init = { method: 'PUT', headers: { 'content-type': 'video/mp4' }, body, duplex: 'half' } as const;
      expect((await fetch(url, init)).status).toBe(201);
    };
    expect(await growthDuring(Promise.all(files.map(upload)))).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it('are downloaded without being held in memory, also by clients that do not read', async () => {
    const hash = createHash('sha256');
    for (let sent = 0; sent < SIZE; sent += MB) hash.update(piece);
    const expected = hash.digest('hex');
    const download = async ({ id }: { id: string }, reads: boolean) => {
      const { data } = await client.ask<{ file: { downloadUrl: string; sha256: string } }>(
        `{ file(id: "${id}") { downloadUrl sha256 } }`,
        headers,
      );
      expect(data?.file.sha256).toBe(expected);
      const url = new URL(data?.file.downloadUrl ?? '', client.url);
      if (!reads) {
        const socket = connect(client.port, '127.0.0.1').pause();
        sockets.push(socket);
        return void socket.write(`GET ${url.pathname} HTTP/1.1\r\nhost: x\r\n\r\n`);
      }
      const response = await fetch(url);
      const found = createHash('sha256');
      for await (const chunk of response.body ?? []) found.update(chunk);
      expect(found.digest('hex')).toBe(expected);
    };
    const all = files.flatMap((file) => [download(file, true), download(file, false)]);
    expect(await growthDuring(Promise.all(all))).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it('take no connection to the database while they are transferred, and a tenant has a limit of transfers', async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    const urls = await Promise.all(Array.from({ length: 20 }, () => announce(100)));
    for (const { url } of urls) {
      const socket = connect(client.port, '127.0.0.1').on('error', () => undefined);
      sockets.push(socket);
      const head = `PUT ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: video/mp4\r\ncontent-length: 100\r\n\r\nx`;
      // Those before have their places until the server has noticed that their clients are gone.
      socket.write(head);
    }
    const uploading = '{ files(filter: { status: { eq: UPLOADING } }) { totalCount } }';
    await eventually('all have begun', async () => {
      const { data } = await client.ask<{ files: { totalCount: number } }>(uploading, headers);
      return data?.files.totalCount === 20;
    });
    const { url } = await announce(5);
    const refused = await fetch(url, { method: 'PUT', headers: { 'content-type': 'video/mp4' }, body: 'hello' });
    expect({ status: refused.status, retry: refused.headers.get('retry-after') }).toEqual({ status: 429, retry: '2' });
    for (const socket of sockets.splice(0)) socket.destroy();
    await eventually('the tenant may again', async () => {
      const response = await fetch(url, { method: 'PUT', headers: { 'content-type': 'video/mp4' }, body: 'hello' });
      return response.status === 201;
    });
    const kept = await readdir(path.join(folder, 'files'), { recursive: true });
    expect(kept.filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});
