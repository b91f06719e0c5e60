/**
 * Records what an earlier version of Tenantry sends to PostgreSQL when it makes an installation, so that a test can make
 * the same installation without that version: `node scripts/record-installation.ts COMMIT`. It writes
 * test/fixture/installations/COMMIT.jsonl.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../src/postgres/embedded/start.ts';

const [commit] = process.argv.slice(2);
if (!commit) throw new Error('Usage: node scripts/record-installation.ts COMMIT');

const installations = path.resolve('test/fixture/installations');
const checkout = mkdtempSync(path.resolve('artifacts-recorded-'));
const dataDir = mkdtempSync(path.join(tmpdir(), 'tenantry-recorded-'));
const recording = path.join(dataDir, 'statements.jsonl');
const migrations = path.join(checkout, 'recorded-migrations');

await using postgres = await startEmbeddedPostgres({
  dataDir: path.join(dataDir, 'cluster'),
  settings: { fsync: 'off' },
});
try {
  const archive = execFileSync('git', ['archive', commit], { maxBuffer: 1 << 30 });
  execFileSync('tar', ['-x', '-C', checkout], { input: archive });
  symlinkSync(path.resolve('node_modules'), path.join(checkout, 'node_modules'));
  cpSync(path.join(installations, 'migrations'), migrations, { recursive: true });
  const { host, port, user, password } = postgres;
  const tenantry = (...args: readonly string[]) =>
    execFileSync(process.execPath, ['test/fixture/cli.ts', ...args], {
      cwd: checkout,
      stdio: 'inherit',
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'test',
        NODE_OPTIONS: `--import=${path.resolve('scripts/record-statements.mjs')}`,
        RECORD_STATEMENTS: recording,
        DATA_DIR: dataDir,
        DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/postgres`,
        ROLE_SECRET: 'a secret that every process of the test knows',
        JWT_SECRET: 'another secret that every process of the test knows',
        TENANT_MIGRATIONS_DIR: migrations,
        COMMON_MIGRATIONS_DIR: path.join(installations, 'common'),
      },
    });
  tenantry('setup');
  tenantry('tenant', 'create', 'old-db', '--isolation', 'database');
  for (const slug of ['old-schema', 'other-schema']) tenantry('tenant', 'create', slug, '--isolation', 'schema');
  cpSync(path.join(installations, 'with-common'), migrations, { recursive: true });
  // One after the other, so that the recording can be replayed in its order.
  tenantry('migrate', 'up', '--concurrency', '1');
  writeFileSync(path.join(installations, `${commit}.jsonl`), readFileSync(recording));
} finally {
  rmSync(checkout, { recursive: true, force: true });
  rmSync(dataDir, { recursive: true, force: true });
}
