import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { MigrationRunStatus, RunOptions } from '../catalog/migration-run.entity.ts';
import { lockKind } from '../postgres/advisory-lock.ts';
import type { Lane } from '../postgres/connection-budget.ts';
import type { Listener } from '../postgres/listener.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { migrateTenant, type RunItem, type TenantJob } from './migrate-tenant.ts';
import type { MigrationFolder } from './migration-files.ts';
import { RunJournal } from './run-journal.ts';
import { type RunRequest, startRun } from './start-run.ts';

/** What carrying out runs needs. */
export interface FleetRunnerOptions {
  readonly catalog: Catalog;
  readonly listener: Listener;
  readonly servers: ReadonlyMap<string, PostgresServer>;
  readonly migrations: MigrationFolder;
  readonly lockTimeoutMs: number;
  /** False: runs are left to other processes. */
  readonly inline: boolean;
  readonly log: Logger;
}

interface RunRow {
  readonly id: string;
  readonly options: RunOptions;
  readonly checkpoint: string;
  readonly failed: number;
  readonly lastSeq: number;
}

/** How often to look for runs that nobody carries out, in milliseconds; a dead process's runs wait this long. */
const LOOK_MS = 5_000;

/** Carries out runs inside this process, and takes over those of processes that died. */
export class FleetRunner implements AsyncDisposable {
  readonly #options: FleetRunnerOptions;
  readonly #active = new Map<string, Promise<void>>();
  readonly #sharedLanes = new Map<string, Lane>();
  #looking: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: FleetRunnerOptions) {
    this.#options = options;
  }

  /** Begins to look for runs that nobody carries out. */
  start(): void {
    if (!this.#options.inline) return;
    const look = () =>
      this.#takeOver().catch((err: unknown) => this.#options.log.warn({ err }, 'cannot look for unfinished runs'));
    void look();
    this.#looking = setInterval(look, LOOK_MS).unref();
  }

  /**
   * Writes down a run and, unless other processes are to do that, begins to carry it out.
   * @returns its id
   * @throws {AppError} as {@link startRun}
   */
  async run(request: RunRequest): Promise<string> {
    const { catalog, migrations, inline, listener } = this.#options;
    const run = await startRun(catalog, await migrations.read(), request, inline ? listener.instance : undefined);
    if (inline) this.#carryOutInBackground(run);
    return run;
  }

  /** Lets tenants under way end; what is left of the runs is for other processes, or for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#looking);
    await Promise.all(this.#active.values());
  }

  async #takeOver(): Promise<void> {
    const { catalog, listener, log } = this.#options;
    const { rows } = await catalog.use((client) =>
      client.query<{ id: string }>(
        `UPDATE migration_runs SET claimed_by = $1
         WHERE ended_at IS NULL AND claimed_by IS DISTINCT FROM $1 AND NOT EXISTS (
           SELECT FROM pg_locks
           WHERE locktype = 'advisory' AND classid = $2 AND objid = claimed_by AND objsubid = 2 AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
         RETURNING id`,
        [listener.instance, lockKind.alive],
      ),
    );
    for (const { id } of rows) {
      log.warn({ run: id }, 'taking over a migration run that nobody carries out');
      this.#carryOutInBackground(id);
    }
  }

  #carryOutInBackground(id: string): void {
    if (this.#active.has(id) || this.#stopping) return;
    const running = this.#carryOut(id)
      .catch((err: unknown) =>
        this.#options.log.error({ err, run: id }, 'a migration run cannot go on; trying again later'),
      )
      .then(() => this.#release(id))
      .finally(() => this.#active.delete(id));
    this.#active.set(id, running);
  }

  /** A run that has not ended is given back, for whoever looks next. */
  async #release(id: string): Promise<void> {
    const { catalog, listener } = this.#options;
    await catalog
      .use((client) =>
        client.query(
          'UPDATE migration_runs SET claimed_by = NULL WHERE id = $1 AND claimed_by = $2 AND ended_at IS NULL',
          [id, listener.instance],
        ),
      )
      .catch(() => undefined);
  }

  async #carryOut(id: string): Promise<void> {
    const { catalog, migrations, lockTimeoutMs, log } = this.#options;
    const run = await catalog.use((client) => beginRun(client, id));
    const journal = new RunJournal(catalog, id, log);
    if (run.lastSeq === 0) await announce(catalog, journal, run);
    const job: TenantJob = {
      run: id,
      checkpoint: run.checkpoint,
      options: run.options,
      files: await migrations.read(),
      lockTimeoutMs,
      connect: (item, use) => this.#connect(item, run.options.concurrency, use),
      tell: (...entries) => journal.add(...entries),
      log,
    };
    const halted = await this.#migrateAll(job, run);
    await journal.flush();
    if (this.#stopping && !halted && (await this.#hasOpenItems(id))) return;
    if (halted) await catalog.use((client) => cancelOpenItems(client, id));
    const { status, message } = await catalog.use((client) => summarize(client, id, halted));
    await journal.end(status, message);
  }

  /** Works through the run's items, several at once; true if it stopped since too many failed. */
  async #migrateAll(job: TenantJob, run: RunRow): Promise<boolean> {
    const { continueOnError, maxFailures, concurrency } = run.options;
    const allowed = continueOnError ? (maxFailures ?? Number.POSITIVE_INFINITY) : 0;
    let failed = run.failed;
    const items = new ItemQueue(this.#options.catalog, run.id, concurrency);
    const work = async () => {
      while (failed <= allowed && !this.#stopping) {
        const item = await items.next();
        if (!item) return;
        const { status } = await migrateTenant(job, item);
        if (status === 'FAILED') failed += 1;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    await items.giveBack();
    return failed > allowed;
  }

  async #hasOpenItems(id: string): Promise<boolean> {
    const { rowCount } = await this.#options.catalog.use((client) =>
      client.query(`SELECT FROM migration_run_items WHERE run_id = $1 AND status IN ('PENDING', 'RUNNING') LIMIT 1`, [
        id,
      ]),
    );
    return rowCount === 1;
  }

  /** Databases are connected to once; the shared database's connections go from one schema to the next. */
  #connect<T>(item: RunItem, concurrency: number, use: (client: pg.Client) => Promise<T>): Promise<T> {
    const server = this.#options.servers.get(item.server);
    if (!server) throw new Error(`The server ${item.server} is not known here`);
    if (item.isolation === 'DATABASE') return server.owner(item.database, use);
    const key = `${item.server} ${item.database}`;
    let lane = this.#sharedLanes.get(key);
    if (!lane) {
      lane = server.lane({ database: item.database, max: concurrency, priority: 'tenant' });
      this.#sharedLanes.set(key, lane);
    }
    return lane.use(use);
  }
}

/** Hands out a run's open items; each is marked as running in the catalog before it is handed out. */
class ItemQueue {
  readonly #catalog: Catalog;
  readonly #run: string;
  readonly #batch: number;
  #items: RunItem[] = [];
  #claiming: Promise<void> | undefined;
  #exhausted = false;

  constructor(catalog: Catalog, run: string, concurrency: number) {
    this.#catalog = catalog;
    this.#run = run;
    this.#batch = concurrency * 2;
  }

  async next(): Promise<RunItem | undefined> {
    while (this.#items.length === 0 && !this.#exhausted) {
      this.#claiming ??= this.#claim().finally(() => {
        this.#claiming = undefined;
      });
      await this.#claiming;
    }
    return this.#items.shift();
  }

  /** Items that nobody took can be handed out again. */
  async giveBack(): Promise<void> {
    this.#exhausted = true;
    const positions = this.#items.splice(0).map(({ position }) => position);
    if (positions.length === 0) return;
    await this.#catalog.use((client) =>
      client.query(
        `UPDATE migration_run_items SET status = 'PENDING', started_at = NULL WHERE run_id = $1 AND position = ANY ($2::int[])`,
        [this.#run, positions],
      ),
    );
  }

  async #claim(): Promise<void> {
    const { rows } = await this.#catalog.use((client) =>
      client.query<RunItem>(
        `WITH claimed AS (
           UPDATE migration_run_items SET status = 'RUNNING', started_at = now()
           WHERE run_id = $1 AND position IN (
             SELECT position FROM migration_run_items WHERE run_id = $1 AND status = 'PENDING'
             ORDER BY wave, position LIMIT $2 FOR UPDATE SKIP LOCKED)
           RETURNING position, wave, attempts, tenant_id)
         SELECT c.position, c.attempts, c.tenant_id AS "tenantId", t.isolation, t.server, t.database, t.schema
         FROM claimed c JOIN tenants t ON t.id = c.tenant_id ORDER BY c.wave, c.position`,
        [this.#run, this.#batch],
      ),
    );
    this.#items.push(...rows);
    this.#exhausted = rows.length === 0;
  }
}

/** Items that a dead process had under way are open again; what it did is found in the tenant's history. */
async function beginRun(client: pg.Client, id: string): Promise<RunRow> {
  await client.query(
    `UPDATE migration_run_items SET status = 'PENDING', attempts = attempts + 1 WHERE run_id = $1 AND status = 'RUNNING'`,
    [id],
  );
  const { rows } = await client.query<RunRow>(
    `UPDATE migration_runs SET status = 'RUNNING', started_at = coalesce(started_at, now()) WHERE id = $1
     RETURNING id, options, checkpoint, failed, last_seq AS "lastSeq"`,
    [id],
  );
  const run = rows[0];
  if (!run) throw new Error(`The run ${id} is gone from the catalog`);
  return run;
}

async function announce(catalog: Catalog, journal: RunJournal, run: RunRow): Promise<void> {
  const { rows } = await catalog.use((client) =>
    client.query<{ skipped: number; total: number }>('SELECT skipped, total FROM migration_runs WHERE id = $1', [
      run.id,
    ]),
  );
  const { skipped, total } = rows[0] ?? { skipped: 0, total: 0 };
  journal.add({
    kind: 'RUN_STARTED',
    message: `${total} tenants, checkpoint ${run.checkpoint}${run.options.dryRun ? ', dry run' : ''}`,
  });
  if (skipped > 0) journal.add({ kind: 'TENANTS_SKIPPED', message: `${skipped} tenants have nothing to apply` });
}

async function cancelOpenItems(client: pg.Client, id: string): Promise<void> {
  await client.query(
    `WITH cancelled AS (
       UPDATE migration_run_items SET status = 'CANCELLED', ended_at = now() WHERE run_id = $1 AND status = 'PENDING' RETURNING 1)
     UPDATE migration_runs SET cancelled = cancelled + (SELECT count(*) FROM cancelled) WHERE id = $1`,
    [id],
  );
}

async function summarize(
  client: pg.Client,
  id: string,
  halted: boolean,
): Promise<{ status: MigrationRunStatus; message: string }> {
  const { rows } = await client.query<{ succeeded: number; failed: number; skipped: number; cancelled: number }>(
    'SELECT succeeded, failed, skipped, cancelled FROM migration_runs WHERE id = $1',
    [id],
  );
  const { succeeded = 0, failed = 0, skipped = 0, cancelled = 0 } = rows[0] ?? {};
  const status = halted ? 'HALTED' : failed > 0 ? 'FAILED' : 'SUCCEEDED';
  const started = cancelled > 0 ? `, ${cancelled} not started` : '';
  return { status, message: `${succeeded} succeeded, ${failed} failed and rolled back, ${skipped} skipped${started}` };
}
