import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../src/postgres/embedded/launch.ts';
import { lockKind, withAdvisoryLock } from '../../src/postgres/sql/advisory-lock.ts';
import { installationRoles } from '../../src/routing/placement.ts';
import { clientOf } from '../support/http-client.ts';
import { ownInstallation, startServer } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a server that starts', () => {
  let folder: string;
  let postgres: TestPostgres;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-start-'));
    postgres = await startTestPostgres();
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('says that it is not ready, and ends at SIGTERM whatever it waits for', async () => {
    const installation = ownInstallation(postgres, folder);
    const owner = await postgres.connect();
    await withAdvisoryLock(owner, lockKind.setup, installationRoles(installation.AUTH_DATABASE).app, async () => {
      const port = await freePort();
      await using server = startServer({ ...installation, PORT: String(port) });
      await vi.waitFor(async () => expect(await waiting()).toBe(1), 30_000);
      const client = clientOf(port);
      expect((await client.get('/health/live')).status).toBe(200);
      expect(await client.get('/health/ready')).toMatchObject({ status: 503, text: '{"status":"DOWN"}' });
      expect(await client.post({ query: '{ health { status } }' })).toMatchObject({ status: 503, code: 'SERVER_BUSY' });
      server.signal('SIGTERM');
      expect(await server.ended).toEqual({ code: 0, signal: null });
      expect(server.output()).toContain('stopped before the server was ready');
      expect(await waiting()).toBe(0);
    });
  });

  async function waiting(): Promise<number> {
    return (await postgres.rows(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).length;
  }

  it('leaves no PostgreSQL running when SIGINT comes while that is being started', async () => {
    const dataDir = path.join(folder, 'embedded');
    await using server = startServer({ PORT: '0', DATA_DIR: dataDir });
    await vi.waitUntil(() => server.output().includes('creating a PostgreSQL'), { timeout: 30_000 });
    server.signal('SIGINT');
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(server.output()).toContain('stopped before the server was ready');
    expect(await readdir(path.join(dataDir, 'postgres'))).not.toContain('postmaster.pid');
    // Nothing is in the way of the next start.
    await using next = startServer({ PORT: '0', DATA_DIR: dataDir });
    await next.listening();
    next.signal('SIGTERM');
    expect(await next.ended).toEqual({ code: 0, signal: null });
  });

  it('greets an installation without keys with how to make a platform admin, and not with a token', async () => {
    const provider = { JWT_JWKS_URL: 'http://127.0.0.1:1/jwks.json', JWT_ISSUER: 'https://id.example.com/' };
    await using server = startServer({ ...ownInstallation(postgres, folder), ...provider });
    await server.listening();
    await vi.waitUntil(() => server.output().includes('Tenantry is up'), { timeout: 30_000 });
    expect(server.output()).toContain('tenantry -- user update ID --admin');
    expect(server.output()).not.toContain('tenantry -- token');
  });

  it('logs lines of JSON in production', async () => {
    const { ROLE_SECRET, JWT_SECRET } = postgres.env;
    const production = { NODE_ENV: 'production', TRUSTED_PROXIES: '1', ROLE_SECRET, JWT_SECRET };
    await using server = startServer({ ...ownInstallation(postgres, folder), ...production });
    const client = await server.listening();
    await client.get('/health/live');
    await client.post({ query: '{ server { name } }' }, { 'x-request-id': 'the-request-in-production' });
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
    const lines = server.output().trimEnd().split('\n');
    const logged = lines.map((line) => JSON.parse(line));
    for (const line of logged) expect(line).toMatchObject({ level: expect.any(Number), time: expect.any(Number) });
    expect(logged).toContainEqual(
      expect.objectContaining({ msg: 'operation', requestId: 'the-request-in-production', failed: false }),
    );
    expect(server.output()).not.toContain(JWT_SECRET);
  });
});
