import { setTimeout as sleep } from 'node:timers/promises';
import { writeMigration } from './fleet.ts';
import type { BenchInstallation } from './installation.ts';
import type { Send } from './soak-client.ts';
import type { SoakRecord } from './soak-record.ts';
import { startWorker } from './workers.ts';

/** What causing faults needs. */
export interface FaultsOptions {
  readonly place: BenchInstallation;
  readonly record: SoakRecord;
  readonly send: Send;
  /** A platform admin's token. */
  readonly token: string;
  readonly tenants: number;
  readonly migrationsDir: string;
  readonly totalMs: number;
  readonly signal: AbortSignal;
}

/** The number of tenants that the first worker finishes before it is killed. */
const BEFORE_KILL = 5;
/** How soon after the restart all requests must succeed again, in milliseconds. */
const RECOVERY_MS = 15_000;
const RUN_LIMIT_MS = 180_000;

/**
 * Kills a worker during a run, which another worker then finishes. Later it restarts PostgreSQL and starts another run.
 * @throws {Error} if a run does not succeed for all tenants, or takes nearly all of the time
 */
export async function causeFaults(options: FaultsOptions): Promise<void> {
  const { place, record, totalMs, signal } = options;
  const start = performance.now();
  const until = (part: number) => sleep(Math.max(start + part * totalMs - performance.now(), 0), undefined, { signal });
  // Warnings are expected, because of the faults that are caused here.
  const env = { WORKER: 'off', LOG_LEVEL: 'error', TENANT_MIGRATIONS_DIR: options.migrationsDir };

  await until(0.25);
  const killed = await startWorker(place, env);
  place.defer(async () => killed.kill());
  const first = await startRun(options, 1);
  const succeeded = await untilSucceeded(options, first);
  await killed.kill();
  if (succeeded >= options.tenants) throw new Error('The worker finished before it could be killed');
  process.stderr.write(`Killed a worker after about ${succeeded} of ${options.tenants} tenants\n`);
  const worker = await startWorker(place, env);
  place.defer(async () => worker[Symbol.asyncDispose]());
  await followRun(options, first, ({ status }) => status === 'SUCCEEDED');

  if (performance.now() - start > 0.9 * totalMs) {
    throw new Error('The run left too little time for restarting PostgreSQL under load: set a larger SOAK_SECONDS');
  }
  await until(0.5);
  const outage = record.beginOutage();
  await place.restartPostgres();
  outage.until = Date.now() + RECOVERY_MS;
  process.stderr.write(`PostgreSQL was down for ${Math.round(Date.now() - outage.from)} ms\n`);

  await until(0.7);
  await followRun(options, await startRun(options, 2), ({ status }) => status === 'SUCCEEDED');
}

/** Starts a run with a slow migration that needs a lock against which the load competes. */
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

/** Waits until a run has finished some tenants and returns how many. Queries the database, because the API may answer too late. */
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
  throw new Error(`The run ${run} has not finished ${BEFORE_KILL} tenants within ${RUN_LIMIT_MS} ms`);
}

interface Run {
  readonly status: string;
  readonly succeeded: number;
  readonly failed: number;
}

/** Polls a run until it is done. */
async function followRun(options: FaultsOptions, id: string, isDone: (run: Run) => boolean): Promise<Run> {
  const { signal } = options;
  for (const end = Date.now() + RUN_LIMIT_MS; Date.now() < end; await sleep(100, undefined, { signal })) {
    const query = `{ migrationRun(id: "${id}") { status succeeded failed } }`;
    const { migrationRun: run } = await ask<{ migrationRun: Run }>(options, query);
    if (run.failed > 0) throw new Error(`The run ${id} failed for ${run.failed} tenants`);
    if (isDone(run)) return run;
  }
  throw new Error(`The run ${id} was not done within ${RUN_LIMIT_MS} ms`);
}

/** Sends an operator's query. `Data` must match its fields. */
async function ask<Data>({ send, token }: Pick<FaultsOptions, 'send' | 'token'>, query: string): Promise<Data> {
  const { ok, text } = await send({ kind: 'operator', address: '10.1.0.1', token, query });
  if (!ok) throw new Error(`An operator's answer was: ${text}`);
  return (JSON.parse(text) as { data: Data }).data;
}
