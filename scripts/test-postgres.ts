import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

/**
 * Runs tests against an installed PostgreSQL with its own settings, instead of the embedded one: JIT, 100 connections, another
 * locale and time zone. `--limited` lets installations connect as a role that is not a superuser, and `--small` runs fewer tests.
 * Files can be named instead.
 */
const { values, positionals } = parseArgs({
  options: { limited: { type: 'boolean', default: false }, small: { type: 'boolean', default: false } },
  allowPositionals: true,
});

/** The minimum, which CI runs. */
const small = [
  'test/api/requests.test.ts',
  'test/checkpoints/checkpoints.test.ts',
  'test/fleet/failing-tenant.test.ts',
  'test/fleet/runs/runs.test.ts',
  'test/servers/reach.test.ts',
  'test/tenants/round-trips.test.ts',
];

/** Creating, requests, runs, failing tenants, undo, checkpoints, transfers, security, doctor, what a role may do. */
const core = [
  ...small,
  'test/api/entities',
  'test/checkpoints/schema-checkpoints.test.ts',
  'test/doctor',
  'test/fleet/common.test.ts',
  'test/fleet/drift.test.ts',
  'test/fleet/history.test.ts',
  'test/fleet/runs',
  'test/fleet/tenant-boundary.test.ts',
  'test/fleet/worker/worker.test.ts',
  'test/migrator/apply',
  'test/migrator/backfill',
  'test/routing',
  'test/security/tenant-sql.test.ts',
  'test/servers/kinds.test.ts',
  'test/servers/limited-rights.test.ts',
  'test/servers/template.test.ts',
  'test/tenants/bin.test.ts',
  'test/tenants/create-races.test.ts',
  'test/tenants/delete.test.ts',
  'test/transfers/clone.test.ts',
  'test/transfers/move.test.ts',
];

/** The programs of the newest version of Debian's packages. */
function findPrograms(): string {
  const folder = '/usr/lib/postgresql';
  let versions: string[] = [];
  try {
    versions = readdirSync(folder);
  } catch {}
  const [newest] = versions.sort((a, b) => Number(b) - Number(a));
  if (newest !== undefined) return path.join(folder, newest, 'bin');
  throw new Error(
    'No PostgreSQL is installed. Install the package postgresql, or set TEST_POSTGRES_BIN to its programs.',
  );
}

const env = {
  ...process.env,
  TEST_POSTGRES_BIN: process.env.TEST_POSTGRES_BIN ?? findPrograms(),
  ...(values.limited && { TEST_POSTGRES_ROLE: 'limited' }),
};
const files = positionals.length > 0 ? positionals : values.small ? small : core;
const { status } = spawnSync('vitest', ['run', '--project', 'platform', '--project', 'isolated', ...files], {
  stdio: 'inherit',
  env,
});
process.exitCode = status ?? 1;
