import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { eventually } from '../support/eventually.ts';
import type { ShownEvent } from '../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { noWrites, Outside, type Writes } from '../support/outside.ts';
import { PlainPostgres } from '../support/plain-postgres.ts';
import { runCommand } from '../support/run-command.ts';
import { type OwnProcess, startServer, startWorker } from '../support/server-process.ts';

/** A server of the installation: its primary, and the replica that every commit waits for. */
interface Pair {
  readonly primary: PlainPostgres;
  readonly replica: PlainPostgres;
}

interface Placed {
  readonly slug: string;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
}

describe('a PostgreSQL that is killed, and whose replica is promoted', { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  const now = new Map<string, PlainPostgres>();
  let pairs: Record<'default' | 'eu', Pair>;
  let migrations: MigrationDir;
  let outside: Outside;
  let workers: readonly OwnProcess[];
  let slugs: string[];

  beforeAll(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-failover-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const startPair = async () => {
      const primary = stack.use(await PlainPostgres.start());
      return { primary, replica: stack.use(await primary.startReplica()) };
    };
    pairs = { default: await startPair(), eu: await startPair() };
    migrations = stack.use(await makeMigrationDir());
    await migrations.add('20270101000000_log', 'CREATE TABLE migration_log (name text)');
    const env = {
      DATA_DIR: folder,
      DATABASE_URL: pairs.default.primary.urlWith(pairs.default.replica),
      ROLE_SECRET: 'a secret that every process of the test knows',
      TENANT_MIGRATIONS_DIR: migrations.path,
      MIGRATION_CONCURRENCY: '2',
      LOG_LEVEL: 'warn',
    };
    const server = stack.use(startServer({ ...env, WORKER: 'off' }));
    outside = new Outside(await server.listening(), server.admin());
    workers = await Promise.all([1, 2].map(async () => stack.use(await startWorker(env))));
    // The replica comes first, so that it must be told from the primary.
    const url = pairs.eu.replica.urlWith(pairs.eu.primary);
    expect(await runCommand(['server', 'add', 'eu', url], { NODE_ENV: 'test', ...env })).toMatchObject({ exit: 0 });
    for (const [name, { primary }] of Object.entries(pairs)) now.set(name, primary);
    const created = [outside.createTenants('default', 8, 2), outside.createTenants('eu', 8, 2)];
    slugs = (await Promise.all(created)).flat();
    await outside.createTenants('eu', 1, 0, 'mover');
  }, 200_000);
  afterAll(() => stack[Symbol.asyncDispose]());

  /**
   * Kills the primary of a server in the middle of a run that is followed, while tenants write.
   * @param before what is begun just before
   */
  async function failOver(
    name: 'default' | 'eu',
    migration: string,
    before = async () => {},
  ): Promise<{ run: string; writes: Writes }> {
    await migrations.add(migration, 'SELECT pg_sleep(1)', `INSERT INTO migration_log VALUES ('${migration}')`);
    const writes = noWrites();
    const stop = new AbortController();
    const writing = outside.write(['default-1', 'default-9', 'eu-1', 'eu-9'], writes, stop.signal);
    const run = await outside.startRun(slugs);
    const events: ShownEvent[] = [];
    const followed = outside.follow(run, events);
    // An earlier failure of this test is the one to report.
    followed.catch(() => undefined);
    writing.catch(() => undefined);
    const done = () => events.filter(({ kind }) => kind === 'TENANT_SUCCEEDED').length;
    await eventually('the run is in full swing', async () => done() >= 3);
    const { primary, replica } = pairs[name];
    await before();
    await primary.kill();
    // As long as somebody needs to notice.
    await sleep(2_000);
    expect(done(), 'the run is not done before').toBeLessThan(20);
    await replica.promote();
    now.set(name, replica);
    expect(await followed).toBe('complete');
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    const known = writes.confirmed.length;
    await eventually('tenants write again', async () =>
      ['default-1', 'default-9', 'eu-1', 'eu-9'].every((slug) =>
        writes.confirmed.slice(known).some((sku) => sku.startsWith(`${slug}/`)),
      ),
    );
    stop.abort();
    await writing;
    return { run, writes };
  }

  async function inTenant<Row extends Record<string, unknown>>({ server, database, schema }: Placed, what: string) {
    const postgres = now.get(server) ?? expect.unreachable(server);
    return postgres.rows<Row>(
      what.replaceAll('$', () => quoteIdentifier(schema)),
      [],
      database,
    );
  }

  async function audit(migration: string, run: string, { confirmed, refused, problems }: Writes): Promise<void> {
    const { status, items } = await outside.run(run);
    const wrong = items.nodes.filter((item) => item.status !== 'SUCCEEDED');
    expect({ status, total: items.totalCount, wrong }).toEqual({ status: 'SUCCEEDED', total: 20, wrong: [] });
    expect(problems).toEqual([]);
    const catalog = now.get('default') ?? expect.unreachable();
    const sql = 'SELECT slug, server, database, schema FROM tenants WHERE slug = ANY ($1)';
    const tenants = await catalog.rows<Placed>(sql, [slugs], 'auth');
    expect(tenants.map(({ slug }) => slug).toSorted()).toEqual(slugs.toSorted());
    const skus = new Set<unknown>();
    for (const tenant of tenants) {
      const times = await inTenant(tenant, `SELECT name FROM $.migration_log WHERE name = '${migration}'`);
      const history = await inTenant(tenant, `SELECT status FROM $.migration_history WHERE name = '${migration}'`);
      expect({ times, history }, tenant.slug).toEqual({
        times: [{ name: migration }],
        history: [{ status: 'APPLIED' }],
      });
      for (const { sku } of await inTenant<{ sku: string }>(tenant, 'SELECT sku FROM $.products')) skus.add(sku);
    }
    expect(
      confirmed.filter((sku) => !skus.has(sku)),
      'confirmed, and lost',
    ).toEqual([]);
    expect(
      refused.filter((sku) => skus.has(sku)),
      'refused, and there',
    ).toEqual([]);
    expect(workers.map((worker) => worker.isAlive())).toEqual([true, true]);
  }

  it('is left by the requests and the run that need it, and others do not notice, if it was added', async () => {
    const { run, writes } = await failOver('eu', '20270102000000_round');
    // They are not refused, and wait at most as long as a busy machine takes.
    expect([...writes.refused, ...writes.unknown].filter((sku) => sku.startsWith('default-'))).toEqual([]);
    expect(writes.longest.get('default-1')).toBeLessThan(10_000);
    await audit('20270102000000_round', run, writes);
    const { servers } = await outside.ask<{ servers: object[] }>('{ servers { name port } }');
    expect(servers).toContainEqual({ name: 'eu', port: pairs.eu.replica.place.port });
  });

  it('is left by everything, if it holds the catalog', async () => {
    let transfer = '';
    const { run, writes } = await failOver('default', '20270103000000_round', async () => {
      const { moveTenant } = await outside.ask<{ moveTenant: { id: string } }>(
        'mutation { moveTenant(input: { tenant: "mover-1", server: "default" }) { id } }',
      );
      transfer = moveTenant.id;
    });
    await audit('20270103000000_round', run, writes);
    const moved = await eventually('the move ends', async () => {
      const { tenantTransfer } = await outside.ask<{ tenantTransfer: { endedAt: string | null } }>(
        `{ tenantTransfer(id: "${transfer}") { endedAt status error to { server } } }`,
      );
      return tenantTransfer.endedAt !== null && tenantTransfer;
    });
    expect(moved).toMatchObject({ status: 'SUCCEEDED', error: null, to: { server: 'default' } });
    expect(await outside.createTenants('default', 1, 1, 'after')).toEqual(['after-1', 'after-2']);
  });
});
