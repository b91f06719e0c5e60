import { setTimeout as sleep } from 'node:timers/promises';
import { writeMigration } from './fleet.ts';
import type { BenchInstallation } from './installation.ts';
import type { Send } from './soak-client.ts';
import type { SoakRecord } from './soak-record.ts';
import { startWorker } from './workers.ts';

/** What the faults need. */
export interface FaultsOptions {
  readonly place: BenchInstallation;
  readonly record: SoakRecord;
  readonly send: Send;
  /** A platform admin's. */
  readonly token: string;
  readonly tenants: number;
  readonly migrationsDir: string;
  readonly totalMs: number;
  readonly signal: AbortSignal;
}

/** Tenants that the first worker gets done before it is killed. */
const BEFORE_KILL = 5;
/** How soon after the restart every request must be answered again, in milliseconds. */
const RECOVERY_MS = 15_000;
const RUN_LIMIT_MS = 180_000;

/**
 * Has a worker killed in a run that another one ends, restarts PostgreSQL, and has a run follow that.
 * @throws {Error} if a run comes to another end than that all tenants have the migration, or takes nearly all of the time
 */
export async function causeFaults(options: FaultsOptions): Promise<void> {
  const { place, record, totalMs, signal } = options;
  const start = performance.now();
  const until = (part: number) => sleep(Math.max(start + part * totalMs - performance.now(), 0), undefined, { signal });
  // What is not an error tells of the faults that are caused here.
  const env = { WORKER: 'off', LOG_LEVEL: 'error', TENANT_MIGRATIONS_DIR: options.migrationsDir };

  await until(0.25);
  const killed = await startWorker(place, env);
  place.defer(async () => killed.kill());
  const first = await startRun(options, 1);
  const succeeded = await untilSucceeded(options, first);
  await killed.kill();
  if (succeeded >= options.tenants) throw new Error('The worker had done everything before it could be killed');
  process.stderr.write(`A worker was killed when about ${succeeded} of ${options.tenants} tenants were done\n`);
  const worker = await startWorker(place, env);
  place.defer(async () => worker[Symbol.asyncDispose]());
  await followRun(options, first, ({ status }) => status === 'SUCCEEDED');

  if (performance.now() - start > 0.9 * totalMs) {
    throw new Error('The run took so long that PostgreSQL cannot be restarted under load: set a larger SOAK_SECONDS');
  }
  await until(0.5);
  const outage = record.beginOutage();
  await place.restartPostgres();
  outage.until = Date.now() + RECOVERY_MS;
  process.stderr.write(`PostgreSQL was away for ${Math.round(Date.now() - outage.from)} ms\n`);

  await until(0.7);
  await followRun(options, await startRun(options, 2), ({ status }) => status === 'SUCCEEDED');
}

/** Starts a run with a new migration, which takes a while and needs a lock that the load is in the way of. */
async function startRun({ migrationsDir, ...options }: FaultsOptions, round: number): Promise<string> {
  await writeMigration(migrationsDir, round, [
    'SELECT pg_sleep(0.4)',
    `ALTER TABLE products ADD COLUMN soak_${round} text`,
  ]);
  const { runMigrations } = await ask<{ runMigrations: { id: string } }>(
    options,
    'mutation { runMigrations(input: { concurrency: 4 }) { id } }',
  );
  return runMigrations.id;
}

/** Waits until a run has done some tenants, and tells how many. Asks the database, for answers of the server may come too late. */
async function untilSucceeded({ place, signal }: FaultsOptions, run: string): Promise<number> {
  const client = await place.connect(place.env.AUTH_DATABASE);
  for (const end = Date.now() + RUN_LIMIT_MS; Date.now() < end; await sleep(50, undefined, { signal })) {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM migration_run_items WHERE run_id = $1 AND status = 'SUCCEEDED'`,
      [run],
    );
    const count = rows[0]?.count ?? 0;
    if (count < BEFORE_KILL) continue;
    await client.end();
    return count;
  }
  throw new Error(`The run ${run} has not done ${BEFORE_KILL} tenants in ${RUN_LIMIT_MS} ms`);
}

interface Run {
  readonly status: string;
  readonly succeeded: number;
  readonly failed: number;
}

/** Asks for a run until it is as it should be. */
async function followRun(options: FaultsOptions, id: string, isDone: (run: Run) => boolean): Promise<Run> {
  const { signal } = options;
  for (const end = Date.now() + RUN_LIMIT_MS; Date.now() < end; await sleep(100, undefined, { signal })) {
    const query = `{ migrationRun(id: "${id}") { status succeeded failed } }`;
    const { migrationRun: run } = await ask<{ migrationRun: Run }>(options, query);
    if (run.failed > 0) throw new Error(`The run ${id} failed for ${run.failed} tenants`);
    if (isDone(run)) return run;
  }
  throw new Error(`The run ${id} has not come so far in ${RUN_LIMIT_MS} ms`);
}

/** The shape is what the query asks for. */
async function ask<Data>({ send, token }: Pick<FaultsOptions, 'send' | 'token'>, query: string): Promise<Data> {
  const { ok, text } = await send({ kind: 'operator', address: '10.1.0.1', token, query });
  if (!ok) throw new Error(`An operator was answered ${text}`);
  return (JSON.parse(text) as { data: Data }).data;
}
