import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { productList, productsAre } from '../support/pooled-installation.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp } from '../support/start-app.ts';
import { hasAuthDatabase, startPgBouncer } from '../support/start-pgbouncer.ts';
import { startTestPostgres } from '../support/start-postgres.ts';
import { createTenants } from '../support/tenants.ts';

const whyNot = hasAuthDatabase ? '' : ' (skipped: PgBouncer is missing or older than 1.19)';

it.runIf(hasAuthDatabase)(
  `the configuration in docs/poolers.md serves tenants of a limited admin, and keeps no session from a copy${whyNot}`,
  async () => {
    await using postgres = await startTestPostgres();
    const { sql, settings } = await readConfiguration();
    await postgres.rows(sql.replace('…', 'its password'));
    await using pooler = await startPgBouncer(postgres, { settings, users: { pgbouncer: 'its password' } });
    const DATABASE_URL = await postgres.createRole('limited', 'secret');
    const env = { ...postgres.env, DATABASE_URL, DATABASE_POOLER_URL: pooler.url };
    await using app = await startTestApp(env);
    for (const { slug, row, member } of await createTenants(app, ['DATABASE', 'SCHEMA'])) {
      expect(await app.ask(productList, member)).toEqual(productsAre());
      // On a new connection, whose role is asked for.
      await app.services.tenants.close(row);
      expect(await app.ask(productList, member)).toEqual(productsAre());
      const checkpoint = `mutation { createCheckpoint(tenant: "${slug}") { id } }`;
      expect(await app.ask(checkpoint, app.admin)).not.toHaveProperty('errors');
      expect(await app.ask(productList, member)).toEqual(productsAre());
    }
    const asked = await postgres.rows<{ datname: string }>(
      `SELECT DISTINCT datname FROM pg_stat_activity WHERE usename = 'pgbouncer'`,
    );
    expect(asked).toEqual([{ datname: 'postgres' }]);
    const { exit, stdout } = await runCommand(['doctor'], { NODE_ENV: 'test', ...env });
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.not.stringContaining('pooler') });
    // It tells nobody else's password.
    for (const role of ['limited', postgres.address.user]) {
      expect(await postgres.rows('SELECT * FROM pgbouncer.find_login($1)', [role])).toEqual([]);
    }
  },
);

/** Reads what the page has for PostgreSQL and for PgBouncer, but not where that listens, and its TLS. */
async function readConfiguration(): Promise<{ sql: string; settings: Record<string, string> }> {
  const page = await readFile('docs/poolers.md', 'utf8');
  const sql = /```sql\n(.*?)```/s.exec(page)?.[1] ?? expect.unreachable();
  const ini = /\[pgbouncer\]\n(.*?)```/s.exec(page)?.[1] ?? expect.unreachable();
  const settings = [...ini.matchAll(/^(\w+) = (.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const);
  const isOther = (name: string) => /^listen_|_tls_|^auth_file$/.test(name);
  return { sql, settings: Object.fromEntries(settings.filter(([name]) => !isOther(name))) };
}
