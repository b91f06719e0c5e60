import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { eventually } from '../support/eventually.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { type Answer, startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('creating tenants through two servers at once', () => {
  let postgres: TestPostgres;
  let migrations: MigrationDir;
  let one: TestApp;
  let two: TestApp;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    migrations = await makeMigrationDir();
    const env = { ...postgres.env, TENANT_MIGRATIONS_DIR: migrations.path };
    // On an empty PostgreSQL, at once.
    [one, two] = await Promise.all([startTestApp(env), startTestApp(env)]);
  });
  afterAll(async () => {
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const create = (app: TestApp, slug: string, isolation: string, host?: string) =>
    app.ask(
      `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} ${host ? `, host: "${host}"` : ''} }) { status } }`,
      app.admin,
    );
  const outcome = ({ data, errors }: Answer) => data?.createTenant ?? errors?.[0]?.extensions;
  const active = { status: 'ACTIVE' };
  const expectNothingElse = async () => {
    const tenants = await one.services.catalog.fork().find(Tenant, {});
    expect(tenants.filter(({ status }) => status !== 'ACTIVE')).toEqual([]);
    expect(await findPlaces(postgres)).toEqual(placesOf(tenants));
  };

  describe.each(['DATABASE', 'SCHEMA'])('with isolation %s', (isolation) => {
    it('gives a slug to one of those who ask for it', async () => {
      const slug = `same-${isolation.toLowerCase()}`;
      const answers = await Promise.all([one, one, two, two].map((app) => create(app, slug, isolation)));
      const codes = answers.map(({ errors }) => errors?.[0]?.extensions.code ?? 'none').sort();
      expect(codes).toEqual(['SLUG_TAKEN', 'SLUG_TAKEN', 'SLUG_TAKEN', 'none']);
      await expectNothingElse();
    });

    it('gives a host to one of those who ask for it', async () => {
      const host = `${isolation.toLowerCase()}.example.com`;
      const answers = await Promise.all(
        [one, one, two, two].map((app, index) =>
          create(app, `host-${isolation.toLowerCase()}-${index}`, isolation, host),
        ),
      );
      const codes = answers.map(({ errors }) => errors?.[0]?.extensions.code ?? 'none').sort();
      expect(codes).toEqual(['HOST_TAKEN', 'HOST_TAKEN', 'HOST_TAKEN', 'none']);
      await expectNothingElse();
    });

    it('leaves nothing of a tenant whose migration fails, and the slug can be used after a fix', async () => {
      const slug = `failing-${isolation.toLowerCase()}`;
      await migrations.add('20270101000000_failing', 'CREATE TABLE half (id int); SELECT 1 / 0');
      const { errors } = await create(one, slug, isolation);
      expect(errors?.[0]?.extensions.code).toBe('CONFLICT');
      expect(errors?.[0]?.message).toMatch(/20270101000000_failing failed: division by zero/);
      await expectNothingElse();
      await migrations.remove('20270101000000_failing');
      expect(outcome(await create(two, slug, isolation))).toEqual(active);
      await expectNothingElse();
    });
  });

  it('refuses a migration that creates a schema, and names it', async () => {
    await migrations.add('20270101000000_reports', 'CREATE SCHEMA reports');
    const { errors } = await create(one, 'with-reports', 'SCHEMA');
    expect(errors?.[0]?.message).toMatch(
      /20270101000000_reports would leave the tenant's schema \(CREATE SCHEMA reports, line 2\)/,
    );
    await migrations.remove('20270101000000_reports');
    await expectNothingElse();
  });

  it('creates twenty of both kinds', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        create(index % 3 === 0 ? two : one, `one-of-twenty-${index}`, index % 2 === 0 ? 'DATABASE' : 'SCHEMA'),
      ),
    );
    expect(answers.map(outcome)).toEqual(Array(20).fill(active));
    await expectNothingElse();
    for (let index = 0; index < 20; index += 1) {
      const answer = await one.ask('{ products { totalCount } }', await one.tokenFor(`one-of-twenty-${index}`));
      expect(answer).toEqual({ data: { products: { totalCount: 0 } } });
    }
  });

  it('is not considered interrupted by its own server’s recovery that started before it', async () => {
    const waiting = (like: string) => async () =>
      (await postgres.rows(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`, [like]))
        .length > 0;
    // There is something to look at, which is the other server's.
    const id = randomUUID();
    using _making = two.services.provisioning.inProgress.begin(id);
    await postgres.rows(
      `INSERT INTO tenants (id, slug, name, status, isolation, key, server, database, schema, claimed_by)
       VALUES ($2, 'others', 'n', 'PROVISIONING', 'SCHEMA', '0123456789', 'default', 'shared', 'tenant_0123456789', $1)`,
      [two.services.listener.instance, id],
      'auth',
    );
    // The look is sent, and sees nothing yet: neither who is alive nor, therefore, any tenant.
    const hideLocks = await postgres.connect('auth');
    await hideLocks.query('BEGIN; LOCK TABLE pg_catalog.pg_locks');
    const looked = recoverTenants(one.services.provisioning);
    await eventually('the look waits', waiting('UPDATE tenants SET claimed_by%'));
    const [template] = await postgres.rows<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE datname LIKE 'auth\\_template\\_%'`,
    );
    const holdUp = await postgres.connect();
    await holdUp.query(`BEGIN; ALTER DATABASE ${template?.name} RENAME TO held_up`);
    const created = create(one, 'under-way', 'DATABASE');
    await eventually('the database is being made', waiting('CREATE DATABASE%'));
    await hideLocks.query('ROLLBACK');
    await looked;
    await holdUp.query('ROLLBACK');
    await postgres.rows(`DELETE FROM tenants WHERE slug = 'others'`, [], 'auth');
    expect(outcome(await created)).toEqual(active);
    await expectNothingElse();
  });
});
