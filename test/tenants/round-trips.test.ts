import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTenant } from '../../src/tenants/create.ts';
import { type CountingProxy, type RoundTrip, startCountingProxy } from '../support/counting-proxy.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** On open connections, catalog and tenants together. */
describe('the round trips to PostgreSQL', () => {
  let postgres: TestPostgres;
  let proxy: CountingProxy;
  let tenantFiles: MigrationDir;
  let commonFiles: MigrationDir;
  let app: TestApp;
  let made = 0;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    proxy = await startCountingProxy(postgres.address);
    tenantFiles = await makeMigrationDir();
    commonFiles = await makeMigrationDir({ empty: true });
    app = await startTestApp({
      ...postgres.envThrough(proxy.port),
      // It would look for work at any time.
      WORKER: 'off',
      TENANT_MIGRATIONS_DIR: tenantFiles.path,
      COMMON_MIGRATIONS_DIR: commonFiles.path,
    });
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await commonFiles[Symbol.asyncDispose]();
    await tenantFiles[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const create = (isolation: 'SCHEMA' | 'DATABASE') => async () => {
    made += 1;
    await createTenant(app.services.provisioning, { slug: `tenant-${made}`, name: 'A tenant', isolation });
  };
  /** Where each round trip went, with its first statement. */
  const shown = (trips: readonly RoundTrip[]) =>
    trips.map(({ database, statements }) => `${database}: ${statements[0]?.trim().replaceAll(/\s+/g, ' ')}`);
  const beginningWith = (...texts: string[]) => texts.map((text) => expect.stringMatching(`^${text}`));
  const begun = ['auth: insert into "tenants"', '\\w+: SET LOCAL lock_timeout'];
  const readCommon = 'shared: SELECT to_char';
  const inSchema = ['shared: BEGIN', 'shared: SELECT set_config'];
  const asDatabase = ['postgres: CREATE DATABASE', 'postgres: SELECT pg_advisory_xact_lock'];
  const ended = 'auth: WITH state';

  it('of a new tenant with a schema are five, however many files there are', async () => {
    const five = beginningWith(...begun, ...inSchema, ended);
    expect(shown(await proxy.tripsOf(create('SCHEMA')))).toEqual(five);
    for (const number of [1, 2, 3]) {
      await tenantFiles.add(`2027010100000${number}_more`, `CREATE TABLE more_${number} (id int)`, 'SELECT 1');
    }
    const trips = await proxy.tripsOf(create('SCHEMA'));
    expect(shown(trips)).toEqual(five);
    // Each statement is still one of its own, and each file begins with a fresh session.
    const { statements = [] } = trips.at(-2) ?? {};
    expect(statements.filter((text) => /^CREATE TABLE more_\d \(id int\)$/.test(text))).toHaveLength(3);
    expect(statements.filter((text) => text.includes('migration_history (scope'))).toHaveLength(4);
    expect(statements.filter((text) => text.startsWith('SET LOCAL search_path'))).toHaveLength(3);
    expect(statements.at(-1)).toBe('COMMIT');
  });

  it('of a new tenant with a database are five', async () => {
    expect(shown(await proxy.tripsOf(create('DATABASE')))).toEqual(beginningWith(...begun, ...asDatabase, ended));
  });

  it('of a list are one, with the number of all rows too', async () => {
    const { slug } = await createTenant(app.services.provisioning, { slug: 'listed', name: 'Listed' });
    const member = await app.tokenFor(slug);
    const ask = async () => {
      const { data } = await app.ask('{ products(first: 5) { totalCount nodes { name } } }', member);
      expect(data).toEqual({ products: { totalCount: 0, nodes: [] } });
    };
    const before = proxy.connections;
    expect(await proxy.tripsOf(ask)).toHaveLength(1);
    expect(proxy.connections).toBe(before + 1);
  });

  it('are one more in a schema where tenants share something', async () => {
    await commonFiles.add('20270101000000_units', 'CREATE TABLE units (code text PRIMARY KEY)');
    expect(shown(await proxy.tripsOf(create('SCHEMA')))).toEqual(
      beginningWith(...begun, readCommon, ...inSchema, ended),
    );
    expect(shown(await proxy.tripsOf(create('DATABASE')))).toEqual(beginningWith(...begun, ...asDatabase, ended));
  });
});
