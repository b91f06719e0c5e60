import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

describe('a tenant whose database or schema somebody has taken away', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  let tenants: TestTenant[];
  const lines: string[] = [];
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const log = pino({ level: 'error' }, { write: (line: string) => lines.push(line) });
    app = await startTestApp(postgres.env, { log });
    tenants = await createTenants(app, ['DATABASE', 'SCHEMA', 'DATABASE', 'SCHEMA']);
  });
  beforeEach(() => {
    lines.length = 0;
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const ask = ({ member }: TestTenant) => app.ask('{ products { totalCount } }', member);
  const named = (slug: string) => tenants.find((tenant) => tenant.slug === slug) ?? expect.unreachable(slug);
  const served = { data: { products: { totalCount: 0 } } };

  /** Gives what the tenant has another name, and its own back. */
  function mover({ row: { isolation, database, schema } }: TestTenant) {
    const name = isolation === 'DATABASE' ? database : schema;
    const rename = async (from: string, to: string) => {
      if (isolation === 'SCHEMA') return postgres.rows(`ALTER SCHEMA ${from} RENAME TO ${to}`, [], database);
      await postgres.rows('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [from]);
      return postgres.rows(`ALTER DATABASE ${from} RENAME TO ${to}`);
    };
    return { name, away: () => rename(name, `${name}_aside`), back: () => rename(`${name}_aside`, name) };
  }

  it.each(['database-0', 'schema-1'])(
    'is not served, the log says what to do, and no other tenant is affected: %s',
    async (slug) => {
      const tenant = named(slug);
      const place = mover(tenant);
      expect(await ask(tenant)).toEqual(served);
      await place.away();
      const { errors } = await ask(tenant);
      expect(errors).toMatchObject([{ message: `The tenant ${tenant.slug} is not available at present` }]);
      expect(errors?.[0]?.extensions).toEqual({ code: 'TENANT_SUSPENDED' });
      const [logged, ...more] = lines.map((line) => JSON.parse(line));
      expect(logged).toMatchObject({
        tenant: tenant.slug,
        msg: expect.stringMatching(
          new RegExp(`${place.name} of the tenant ${tenant.slug} is missing.*tenantry doctor`),
        ),
      });
      expect(more).toEqual([]);
      for (const other of tenants) if (other !== tenant) expect(await ask(other)).toEqual(served);
      await place.back();
      expect(await ask(tenant)).toEqual(served);
    },
  );

  it.each(['database-2', 'schema-3'])('is reported with its current status in the catalog: %s', async (slug) => {
    const tenant = named(slug);
    const { away } = mover(tenant);
    expect(await ask(tenant)).toEqual(served);
    await away();
    await postgres.rows('DELETE FROM tenants WHERE id = $1', [tenant.row.id], 'auth');
    await eventually(
      'its connections are closed',
      async () => !app.services.tenants.opened().some(({ id }) => id === tenant.row.id),
    );
    // As a request that has found it before, and asks the directory no more.
    const count = app.services.tenants.pool(tenant.row).use((client) => client.query('SELECT count(*) FROM products'));
    await expect(count).rejects.toMatchObject({ code: 'TENANT_NOT_FOUND' });
    expect(lines).toEqual([]);
  });

  it('stays available when only a table is missing', async () => {
    const tenant = named('schema-1');
    await expect(
      app.services.tenants.pool(tenant.row).use((client) => client.query('SELECT FROM nothing')),
    ).rejects.toThrow('relation "nothing" does not exist');
    expect(lines).toEqual([]);
  });
});
