import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { productList, productsAre } from '../support/pooled-installation.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { hasAuthDatabase, hasPgBouncer, startPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

type Settings = Readonly<Record<string, string>>;

const whyNot = hasPgBouncer && !hasAuthDatabase ? ' (skipped: PgBouncer is older than 1.19)' : '';

describe.runIf(hasPgBouncer)(`the configuration in docs/poolers.md${whyNoPgBouncer}`, () => {
  let postgres: TestPostgres;
  beforeEach(async () => {
    postgres = await startTestPostgres();
  });
  afterEach(() => postgres[Symbol.asyncDispose]());

  it.runIf(hasAuthDatabase)(
    `serves tenants of a limited admin, and keeps no session from a copy${whyNot}`,
    async () => {
      const { sql, settings } = await readPage();
      await postgres.rows(sql.replace('…', 'its password'));
      await using pooler = await startPgBouncer(postgres, { settings, users: { pgbouncer: 'its password' } });
      const DATABASE_URL = await postgres.createRole('limited', 'secret');
      const env = { ...postgres.env, DATABASE_URL, DATABASE_POOLER_URL: pooler.url };
      await using app = await startTestApp(env);
      await expectServed(app, async ({ slug }) => expect(await checkpoint(app, slug)).toBeUndefined());
      const asked = await postgres.rows<{ datname: string }>(
        `SELECT DISTINCT datname FROM pg_stat_activity WHERE usename = 'pgbouncer'`,
      );
      expect(asked).toEqual([{ datname: 'postgres' }]);
      await expectHealthy(env);
      // It tells nobody else's password.
      for (const role of ['limited', postgres.address.user]) {
        expect(await postgres.rows('SELECT * FROM pgbouncer.find_login($1)', [role])).toEqual([]);
      }
    },
  );

  describe('in its form for PgBouncer before 1.19', () => {
    const start = async () => {
      const { settings, older } = await readPage();
      const { auth_dbname: _, ...others } = settings;
      const { auth_user: asker = expect.unreachable('the page names no role') } = older;
      if (asker !== postgres.address.user) await postgres.createRole(asker, 'its password', 'SUPERUSER');
      const users = asker === postgres.address.user ? {} : { [asker]: 'its password' };
      return { asker, pooler: await startPgBouncer(postgres, { settings: { ...others, ...older }, users }) };
    };

    it('serves tenants of a superuser, and keeps no session from a copy', async () => {
      const { pooler } = await start();
      await using _ = pooler;
      const env = { ...postgres.env, DATABASE_POOLER_URL: pooler.url };
      await using app = await startTestApp(env);
      await expectServed(app, async ({ slug }) => expect(await checkpoint(app, slug)).toBeUndefined());
      await expectHealthy(env);
    });

    it('serves tenants of a limited admin, and keeps a database from being copied while a session asks there', async () => {
      const { asker, pooler } = await start();
      await using _ = pooler;
      const DATABASE_URL = await postgres.createRole('limited', 'secret');
      const env = { ...postgres.env, DATABASE_URL, DATABASE_POOLER_URL: pooler.url, CONNECTION_WAIT_MS: '2000' };
      await using app = await startTestApp(env);
      await expectServed(app, async ({ slug, row: { database, isolation } }) => {
        if (isolation === 'DATABASE') {
          expect(await checkpoint(app, slug)).toBe('SERVER_BUSY');
          // As server_idle_timeout does later.
          const end =
            'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1 AND datname = $2';
          await postgres.rows(end, [asker, database]);
        }
        expect(await checkpoint(app, slug)).toBeUndefined();
      });
      await expectHealthy(env);
    });
  });
});

/** Expects a tenant of each isolation to be served, also on a new connection and after something was done to it. */
async function expectServed(app: TestApp, meanwhile: (tenant: TestTenant) => Promise<void>): Promise<void> {
  for (const tenant of await createTenants(app, ['DATABASE', 'SCHEMA'])) {
    const { row, member } = tenant;
    const isServed = async () => expect(await app.ask(productList, member)).toEqual(productsAre());
    await isServed();
    // On a new connection, whose role is asked for.
    await app.services.tenants.close(row);
    await isServed();
    await meanwhile(tenant);
    await isServed();
  }
}

/** Makes a checkpoint; returns the code of the error if that is refused. */
async function checkpoint(app: TestApp, slug: string): Promise<string | undefined> {
  const { errors } = await app.ask(`mutation { createCheckpoint(tenant: "${slug}") { id } }`, app.admin);
  return errors?.[0]?.extensions.code;
}

async function expectHealthy(env: Record<string, string>): Promise<void> {
  const { exit, stdout } = await runCommand(['doctor'], { NODE_ENV: 'test', ...env });
  expect({ exit, stdout }).toEqual({
    exit: 0,
    stdout: expect.stringMatching(/✓ The pooler of .* answers .* in transaction mode/),
  });
}

/** Reads what the page has for PostgreSQL and for PgBouncer, but not where that listens, and its TLS. */
async function readPage(): Promise<{ sql: string; settings: Settings; older: Settings }> {
  const page = await readFile('docs/poolers.md', 'utf8');
  const sql = /```sql\n(.*?)```/s.exec(page)?.[1] ?? expect.unreachable();
  const ini = /\[pgbouncer\]\n(.*?)```/s.exec(page)?.[1] ?? expect.unreachable();
  const older = /### Before PgBouncer 1\.19\n.*?```ini\n(.*?)```/s.exec(page)?.[1] ?? expect.unreachable();
  return { sql, settings: settingsFrom(ini), older: settingsFrom(older) };
}

function settingsFrom(ini: string): Settings {
  const settings = [...ini.matchAll(/^(\w+) = (.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const);
  return Object.fromEntries(settings.filter(([name]) => !/^listen_|_tls_|^auth_file$/.test(name)));
}
