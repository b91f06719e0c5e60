import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deleteTenant } from '../../src/tenants/delete.ts';
import { dropOldPlaces } from '../../src/tenants/old-places.ts';
import { purgeExpired } from '../../src/tenants/purge-expired.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { eventually } from '../support/eventually.ts';
import { captureLog } from '../support/log-lines.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** Tenants whose databases and schemas are not there, beside those that are real. BIN_TENANTS=1000 takes a minute. */
const MANY = Number(process.env.BIN_TENANTS ?? 50);

/** Passes everything on, until it is silent: then it takes connections and says nothing. */
async function startRelay(target: number) {
  const sockets = new Set<Socket>();
  let isSilent = false;
  const server = createServer((client) => {
    sockets.add(client.on('error', () => undefined));
    if (isSilent) return;
    const upstream = connect(target, '127.0.0.1').on('error', () => undefined);
    sockets.add(upstream);
    client.pipe(upstream).pipe(client);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const hangUp = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    silence(silent: boolean) {
      isSilent = silent;
      hangUp();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      hangUp();
      await closed;
    },
  };
}

describe('a bin with many tenants', () => {
  const { log, text: logged } = captureLog();
  let second: TestPostgres;
  let relay: Awaited<ReturnType<typeof startRelay>>;
  let app: TestApp;
  beforeAll(async () => {
    second = await startTestPostgres();
    relay = await startRelay(second.address.port);
    app = await startTestApp({}, { log });
    await app.services.servers.add('b', second.envThrough(relay.port).DATABASE_URL);
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await relay[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  const ask = async (mutation: string) =>
    expect((await app.ask(`mutation { ${mutation} { id } }`, app.admin)).errors).toBeUndefined();
  const create = (slug: string, isolation: string, server: string) =>
    ask(`createTenant(input: { slug: "${slug}", name: "n", isolation: ${isolation}, server: "${server}" })`);
  const remove = (slug: string) => ask(`deleteTenant(id: "${slug}", slug: "${slug}")`);
  const inCatalog = async <Row extends object>(sql: string, values: unknown[] = []) =>
    (await app.services.catalog.use((client) => client.query<Row>(sql, values))).rows;
  const left = (where: string) => inCatalog<{ slug: string }>(`SELECT slug FROM tenants WHERE ${where} ORDER BY slug`);
  const addToBin = (server: string, count: number) =>
    inCatalog(
      `INSERT INTO tenants (id, slug, name, status, isolation, key, server, database, schema, deleted_at, purge_at, status_before_deletion)
       SELECT gen_random_uuid(), $1 || '-' || n, 'n', 'DELETED', CASE WHEN n % 2 = 0 THEN 'DATABASE' ELSE 'SCHEMA' END,
         lpad(n::text, 9, '0') || left($1, 1), $1, CASE WHEN n % 2 = 0 THEN 'db_' || lpad(n::text, 9, '0') || left($1, 1) ELSE 'shared' END,
         CASE WHEN n % 2 = 0 THEN 'public' ELSE 'tenant_' || lpad(n::text, 9, '0') || left($1, 1) END,
         now() - interval '8 days', now() - interval '1 day', 'ACTIVE' FROM generate_series(1, $2::int) n`,
      [server, count],
    );
  const lines = (part: string) =>
    logged()
      .split('\n')
      .filter((line) => line.includes(part));

  it('is emptied when their time is over at once, by several rounds at the same time', async () => {
    await create('real-db', 'DATABASE', 'default');
    await create('real-schema', 'SCHEMA', 'default');
    for (const slug of ['real-db', 'real-schema']) await remove(slug);
    const keys = await inCatalog<{ role: string }>(
      `SELECT 'tenant_' || key AS role FROM tenants WHERE slug LIKE 'real-%'`,
    );
    await inCatalog(`UPDATE tenants SET purge_at = now() - interval '1 hour'`);
    await addToBin('default', MANY);
    const { provisioning } = app.services;
    await Promise.all([purgeExpired(provisioning), purgeExpired(provisioning), recoverTenants(provisioning)]);
    await recoverTenants(provisioning);
    expect(await left('true')).toEqual([]);
    const proofs = await inCatalog<{ count: number }>(
      `SELECT count(DISTINCT tenant_id)::int AS count FROM audit_log WHERE action = 'tenant.purge'`,
    );
    expect(proofs).toEqual([{ count: MANY + 2 }]);
    const roles = await inCatalog('SELECT FROM pg_roles WHERE rolname = ANY ($1)', [keys.map(({ role }) => role)]);
    expect(roles).toEqual([]);
    expect(lines('"level":50')).toEqual([]);
  });

  it('goes by the clock of PostgreSQL and the date that a tenant got, not by the process and its settings', async () => {
    await create('clock', 'SCHEMA', 'default');
    const { provisioning } = app.services;
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 400 * 86_400_000 });
    try {
      await deleteTenant(provisioning, 'clock', { confirmation: 'clock', by: 'a test' });
      await purgeExpired({ ...provisioning, retentionDays: 0 });
      await recoverTenants(provisioning);
    } finally {
      vi.useRealTimers();
    }
    expect(
      await inCatalog(
        `SELECT status, extract(epoch FROM purge_at - now()) / 86400 BETWEEN 6.9 AND 7 AS "isInAWeek" FROM tenants`,
      ),
    ).toEqual([{ status: 'DELETED', isInAWeek: true }]);
    await inCatalog(`UPDATE tenants SET purge_at = now() - interval '1 second'`);
    await purgeExpired(provisioning);
    expect(await left(`status = 'DELETED'`)).toEqual([]);
    // The server's own round may have begun to remove it, and not be done.
    await eventually('it is removed', async () => (await left('true')).length === 0);
  });

  it('does not wait for a server that is silent, which is said once, however many tenants there are', async () => {
    await addToBin('b', 40);
    await inCatalog(`UPDATE tenants SET status = 'DELETING', claimed_by = $1 WHERE slug LIKE 'b-1%'`, [
      app.services.listener.instance,
    ]);
    await addToBin('default', 1);
    await inCatalog(
      `INSERT INTO old_places (transfer_id, tenant_id, slug, key, isolation, server, database, schema, drop_after)
       SELECT gen_random_uuid(), gen_random_uuid(), 'gone', 'gone' || n, 'DATABASE', s, 'db_gone' || n, 'public', now()
       FROM generate_series(1, 3) n, (VALUES ('b'), ('default')) v (s)`,
    );
    relay.silence(true);
    const { provisioning } = app.services;
    const round = () =>
      Promise.all([recoverTenants(provisioning), purgeExpired(provisioning), dropOldPlaces(provisioning)]);
    const before = logged().length;
    let isOver = false;
    const first = round().finally(() => {
      isOver = true;
    });
    await eventually('the other server is done', async () => (await left(`server = 'default'`)).length === 0);
    // The silent one has not even been given up yet.
    expect(isOver).toBe(false);
    await first;
    await round();
    await round();
    expect(await left('true')).toHaveLength(40);
    expect(await inCatalog('SELECT DISTINCT server FROM old_places')).toEqual([{ server: 'b' }]);
    const said = logged()
      .slice(before)
      .split('\n')
      .filter((line) => /"level":(40|50)/.test(line));
    const messages = said.map((line) => String(JSON.parse(line).msg));
    expect(messages.filter((message) => /remove|drop|finish/.test(message))).toEqual([
      'a server does not answer, so what is to be finished or removed there waits; will try again',
    ]);
    relay.silence(false);
    await eventually('all is gone when it answers', async () => {
      await round();
      return (await left('true')).length === 0;
    });
    expect(await inCatalog('SELECT FROM old_places')).toEqual([]);
  });
});
