import { Command } from 'commander';
import { archives } from './archives.ts';
import { backfill } from './backfill.ts';
import { catalog } from './catalog.ts';
import { clone } from './clone.ts';
import { connectionBudget } from './connection-budget.ts';
import { consolePicture } from './console.ts';
import { copy } from './copy.ts';
import { createTenants } from './create-tenant.ts';
import { debianPostgres, foreign } from './debian-postgres.ts';
import { fairness } from './fairness.ts';
import { fleetRun } from './fleet-run.ts';
import { fleetStatus } from './fleet-status.ts';
import type { Benchmark, Result } from './harness.ts';
import { idleTenants } from './idle-tenants.ts';
import { impact } from './impact.ts';
import { instruments } from './instruments.ts';
import { membership } from './membership.ts';
import { onlineMove } from './online-move.ts';
import { peers } from './peers.ts';
import { pooler } from './pooler.ts';
import { requests } from './requests.ts';
import { roundTrips } from './round-trips.ts';
import { runsCurrent } from './runs-current.ts';
import { runsDatabases, runsSchemas } from './runs-large.ts';
import { runsMemory } from './runs-memory.ts';
import { runsReplay } from './runs-replay.ts';
import { runsWorkers } from './runs-workers.ts';
import { signIn } from './sign-in.ts';
import { soak } from './soak.ts';
import { startUp } from './start-up.ts';
import { formatTable } from './table.ts';

/** The order matters, because creating databases is slow for some minutes after many were dropped. */
const benchmarks: readonly Benchmark[] = [
  createTenants,
  roundTrips,
  fleetRun,
  runsDatabases,
  runsSchemas,
  runsCurrent,
  fleetStatus,
  catalog,
  runsReplay,
  runsWorkers,
  runsMemory,
  requests,
  pooler,
  instruments,
  fairness,
  backfill,
  impact,
  onlineMove,
  clone,
  copy,
  archives,
  membership,
  signIn,
  idleTenants,
  connectionBudget,
  startUp,
];
/** Benchmarks that take too long, or need more than this checkout, to run by default. */
const onlyWhenNamed: readonly Benchmark[] = [soak, peers, consolePicture];
const known = [...benchmarks, ...onlyWhenNamed];

const command = new Command('npm run bench --')
  .description(
    `Measures speed and memory, compared with baselines in the same run, on an embedded PostgreSQL or BENCH_DATABASE_URL.
The exit status is 1 if a target is missed.

${known.map(({ name, about }) => `  ${name.padEnd(20)}${about}`).join('\n')}`,
  )
  .argument('[names...]', 'run only these benchmarks; a prefix of a name is enough')
  .option(
    '--installed',
    "use a PostgreSQL of Debian's package postgresql-15 with its own settings, such as JIT and 100 connections",
  )
  .option('--json', 'print the results as JSON')
  .parse();
const { json, installed } = command.opts<{ json?: true; installed?: true }>();
const wanted = command.args;
const unknown = wanted.find((start) => !known.some(({ name }) => name.startsWith(start)));
if (unknown !== undefined) command.error(`There is no benchmark ${unknown}`);
const chosen =
  wanted.length === 0 ? benchmarks : known.filter(({ name }) => wanted.some((start) => name.startsWith(start)));

// The current benchmark ends with an error at its next step and cleans up.
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort(new Error(name)));

await using postgres = installed ? await debianPostgres(foreign) : undefined;
if (postgres) process.env.BENCH_DATABASE_URL = postgres.url;
else if (installed) command.error("Debian's package postgresql-15 is not installed");

const results: (Result & { readonly benchmark: string })[] = [];
for (const { name, run } of chosen) {
  process.stderr.write(`${name} …\n`);
  results.push(...(await run(interrupted.signal)).map((result) => ({ benchmark: name, ...result })));
}
process.stdout.write(`${json ? JSON.stringify(results, undefined, 2) : formatTable(results)}\n`);
process.exitCode = results.every(({ met }) => met) ? 0 : 1;
