import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { eventually } from './eventually.ts';
import type { ShownEvent } from './fleet.ts';
import { clientOf } from './http-client.ts';
import { type MigrationDir, makeMigrationDir } from './migration-dir.ts';
import { noWrites, Outside, type Writes } from './outside.ts';
import { PlainPostgres } from './plain-postgres.ts';
import { type OwnProcess, startServer, startWorker } from './server-process.ts';

/** A primary, and the replica that every commit waits for. */
export interface Pair {
  readonly primary: PlainPostgres;
  readonly replica: PlainPostgres;
}

/** Starts both; they end with the stack. */
export async function startPair(
  stack: AsyncDisposableStack,
  places: Partial<Record<keyof Pair, Parameters<typeof PlainPostgres.start>[0]>> = {},
): Promise<Pair> {
  const primary = stack.use(await PlainPostgres.start(places.primary));
  return { primary, replica: stack.use(await primary.startReplica(places.replica)) };
}

/** What a test may want otherwise. */
export interface FailoverOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What comes before the commands of the processes, such as one that starts them on another machine. */
  readonly before?: { readonly server: readonly string[]; readonly workers: readonly string[] };
  /** Gives a port of this machine that leads to the server's. */
  readonly reach?: (port: number) => Promise<number>;
}

/** How a server fails over. */
export interface Failover {
  /** The server's name. */
  readonly name: string;
  readonly replica: PlainPostgres;
  /** Makes the primary unreachable. */
  lose(): Promise<unknown>;
  /** Leads to the replica what led to the primary, if the address does not name both. */
  redirect?(): Promise<unknown>;
}

interface Placed {
  readonly slug: string;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
}

/** A server and two workers, which are processes of their own, while their PostgreSQL fails over. */
export class FailoverLab implements AsyncDisposable {
  readonly outside: Outside;
  /** The settings of its processes. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the data of a server are now. */
  readonly now = new Map<string, PlainPostgres>();
  /** The tenants of its runs. */
  readonly slugs: string[] = [];
  readonly #workers: readonly OwnProcess[];
  readonly #migrations: MigrationDir;
  readonly #parts: AsyncDisposable;

  private constructor(
    outside: Outside,
    env: Readonly<Record<string, string>>,
    workers: readonly OwnProcess[],
    migrations: MigrationDir,
    parts: AsyncDisposable,
  ) {
    this.outside = outside;
    this.env = env;
    this.#workers = workers;
    this.#migrations = migrations;
    this.#parts = parts;
  }

  /** @param primary the one that DATABASE_URL leads to */
  static async start(
    DATABASE_URL: string,
    primary: PlainPostgres,
    { env: more, before, reach }: FailoverOptions = {},
  ): Promise<FailoverLab> {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-failover-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const migrations = stack.use(await makeMigrationDir());
    await migrations.add('20270101000000_log', 'CREATE TABLE migration_log (name text)');
    const env = {
      DATA_DIR: folder,
      DATABASE_URL,
      ROLE_SECRET: 'a secret that every process of the test knows',
      TENANT_MIGRATIONS_DIR: migrations.path,
      MIGRATION_CONCURRENCY: '2',
      LOG_LEVEL: 'warn',
      ...more,
    };
    const server = stack.use(startServer({ ...env, WORKER: 'off' }, before && { before: before.server }));
    const http = await server.listening();
    const outside = new Outside(reach ? clientOf(await reach(http.port)) : http, server.admin());
    const startOne = async () => stack.use(await startWorker(env, before && { before: before.workers }));
    const workers = await Promise.all([startOne(), startOne()]);
    const lab = new FailoverLab(outside, env, workers, migrations, stack.move());
    lab.now.set('default', primary);
    return lab;
  }

  /**
   * Lets a server fail over in the middle of a run that is followed, while tenants write. Waits until the run has ended and they write
   * again, and checks that everything was done once, and that nothing confirmed is lost.
   * @param migration the run's, which takes a second
   * @param writers the tenants that write
   */
  async failOver(migration: string, writers: readonly string[], failover: Failover): Promise<Writes> {
    const { name, replica } = failover;
    await this.#migrations.add(migration, 'SELECT pg_sleep(1)', `INSERT INTO migration_log VALUES ('${migration}')`);
    const writes = noWrites();
    const stop = new AbortController();
    const writing = this.outside.write(writers, writes, stop.signal);
    const run = await this.outside.startRun(this.slugs);
    const events: ShownEvent[] = [];
    const followed = this.outside.follow(run, events);
    // An earlier failure of this test is the one to report.
    followed.catch(() => undefined);
    writing.catch(() => undefined);
    const done = () => events.filter(({ kind }) => kind === 'TENANT_SUCCEEDED').length;
    await eventually('the run is in full swing', async () => done() >= 3);
    await failover.lose();
    // As long as somebody needs to notice.
    await sleep(2_000);
    expect(done(), 'the run is not done before').toBeLessThan(this.slugs.length);
    await replica.promote();
    await failover.redirect?.();
    this.now.set(name, replica);
    expect(await followed).toBe('complete');
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    const known = writes.confirmed.length;
    await eventually('tenants write again', async () =>
      writers.every((slug) => writes.confirmed.slice(known).some((sku) => sku.startsWith(`${slug}/`))),
    );
    stop.abort();
    await writing;
    await this.#audit(migration, run, writes);
    return writes;
  }

  /** Ends the workers as an operator does. None waits for what will never be answered. */
  async endWorkers(): Promise<void> {
    const ended = Promise.all(this.#workers.map((worker) => worker.end('SIGTERM')));
    expect(await Promise.race([ended, sleep(30_000, 'the workers do not end')])).toEqual([0, 0]);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#parts[Symbol.asyncDispose]();
  }

  async #inTenant<Row extends Record<string, unknown>>({ server, database, schema }: Placed, what: string) {
    const postgres = this.now.get(server) ?? expect.unreachable(server);
    return postgres.rows<Row>(
      what.replaceAll('$', () => quoteIdentifier(schema)),
      [],
      database,
    );
  }

  async #audit(migration: string, run: string, { confirmed, refused, problems }: Writes): Promise<void> {
    const { status, items } = await this.outside.run(run);
    const wrong = items.nodes.filter((item) => item.status !== 'SUCCEEDED');
    const total = this.slugs.length;
    expect({ status, total: items.totalCount, wrong }).toEqual({ status: 'SUCCEEDED', total, wrong: [] });
    expect(problems).toEqual([]);
    const catalog = this.now.get('default') ?? expect.unreachable();
    const sql = 'SELECT slug, server, database, schema FROM tenants WHERE slug = ANY ($1)';
    const tenants = await catalog.rows<Placed>(sql, [this.slugs], 'auth');
    expect(tenants.map(({ slug }) => slug).toSorted()).toEqual(this.slugs.toSorted());
    const skus = new Set<unknown>();
    for (const tenant of tenants) {
      const times = await this.#inTenant(tenant, `SELECT name FROM $.migration_log WHERE name = '${migration}'`);
      const history = await this.#inTenant(
        tenant,
        `SELECT status FROM $.migration_history WHERE name = '${migration}'`,
      );
      expect({ times, history }, tenant.slug).toEqual({
        times: [{ name: migration }],
        history: [{ status: 'APPLIED' }],
      });
      for (const { sku } of await this.#inTenant<{ sku: string }>(tenant, 'SELECT sku FROM $.products')) skus.add(sku);
    }
    const lost = confirmed.filter((sku) => !skus.has(sku));
    const kept = refused.filter((sku) => skus.has(sku));
    expect({ 'confirmed, and lost': lost, 'refused, and there': kept }).toEqual({
      'confirmed, and lost': [],
      'refused, and there': [],
    });
    expect(this.#workers.map((worker) => worker.isAlive())).toEqual([true, true]);
  }
}
