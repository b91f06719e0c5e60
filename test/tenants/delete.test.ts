import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { codeOf, join, login, password } from '../support/accounts.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

const products = '{ products { totalCount } }';

describe('deleting a tenant', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const env = { ...postgres.env, JWT_SECRET: 'the secret of the tests of deleting', WORKER: 'off' };
    app = await startTestApp(env);
    other = await startTestApp(env);
  });
  afterAll(async () => {
    await other[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const ask = async (text: string) => {
    const { data, errors } = await app.ask(text, app.admin);
    expect(errors).toBeUndefined();
    return data;
  };
  const create = (slug: string, isolation: string, more = '') =>
    ask(`mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} ${more} }) { id } }`);
  const remove = (id: string, slug = id) =>
    app.ask(`mutation { deleteTenant(id: "${id}", slug: "${slug}", purge: true) { slug status } }`, app.admin);
  const rowOf = async (slug: string) =>
    (await app.services.directory.byReference(slug)) ?? expect.unreachable(`${slug} is not there`);
  const setStatus = (slug: string, status: string) =>
    postgres.rows('UPDATE tenants SET status = $2 WHERE slug = $1', [slug, status], 'auth');
  /** The whole server holds what the catalog knows, and nothing else. */
  async function expectNoLeftovers(): Promise<void> {
    const tenants = await app.services.catalog.fork().find(Tenant, {});
    expect(await findPlaces(postgres)).toEqual(placesOf(tenants));
    const copies = await postgres.rows(`SELECT datname AS database FROM pg_database WHERE datname LIKE 'snap\\_%'`);
    expect(copies).toEqual(await postgres.rows('SELECT database FROM checkpoints', [], 'auth'));
  }

  it.each(['DATABASE', 'SCHEMA'])('leaves nothing of it but the names, which are free: %s', async (isolation) => {
    await create('gone', isolation, ', host: "gone.example.com"');
    await create('kept', isolation);
    const person = await join(app, `${isolation}@example.com`, 'gone', 'OWNER');
    expect(codeOf(await other.ask(products, person.headers))).toBeUndefined();
    if (isolation === 'DATABASE') {
      for (const slug of ['gone', 'gone', 'kept']) await ask(`mutation { createCheckpoint(tenant: "${slug}") { id } }`);
    }
    expect(await remove('gone')).toEqual({ data: { deleteTenant: { slug: 'gone', status: 'DELETING' } } });
    await expectNoLeftovers();
    for (const process of [app, other]) {
      await vi.waitFor(async () =>
        expect(codeOf(await process.ask(products, person.headers))).toBe('TENANT_NOT_FOUND'),
      );
    }
    expect(codeOf(await remove('gone'))).toBe('TENANT_NOT_FOUND');
    await create('gone', isolation, ', host: "gone.example.com"');
    // It is another one, of which the person is no member.
    expect((await login(app, `${isolation}@example.com`, password)).token).toEqual(expect.any(String));
    expect(await ask('{ tenant(slug: "gone") { members { role } } }')).toEqual({ tenant: { members: [] } });
    expect(await app.ask(products, await app.tokenFor('kept'))).toEqual({ data: { products: { totalCount: 0 } } });
    for (const slug of ['gone', 'kept']) expect(await remove(slug)).not.toHaveProperty('errors');
    await expectNoLeftovers();
  });

  it('is refused if the slug that confirms it is another one', async () => {
    await create('mine', 'SCHEMA');
    await create('theirs', 'SCHEMA');
    const { id } = await rowOf('mine');
    for (const slug of ['theirs', '', id]) {
      expect((await remove(id, slug)).errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', field: 'slug' });
    }
    expect(await ask('{ tenant(slug: "mine") { status } }')).toEqual({ tenant: { status: 'ACTIVE' } });
    for (const slug of ['mine', 'theirs']) expect(await remove(slug)).not.toHaveProperty('errors');
  });

  it.each([
    ['MAINTENANCE', 'TENANT_BUSY'],
    ['PROVISIONING', 'TENANT_BUSY'],
    ['DELETING', 'CONFLICT'],
    ['SUSPENDED', undefined],
    ['NEEDS_ATTENTION', undefined],
  ])('of one that is %s answers %s', async (status, code) => {
    const slug = status.toLowerCase().replace('_', '-');
    await create(slug, 'SCHEMA');
    const { id } = await rowOf(slug);
    for (const { services } of [app, other]) services.provisioning.inProgress.begin(id);
    await setStatus(slug, status);
    expect(codeOf(await remove(slug))).toBe(code);
    await setStatus(slug, 'ACTIVE');
    if (code !== undefined) expect(await remove(slug)).not.toHaveProperty('errors');
    await expectNoLeftovers();
  });

  it('is refused while a run is to come to it, and not afterwards', async () => {
    await create('run', 'SCHEMA');
    const started = await ask('mutation { runMigrations(input: { tenants: ["run"], verify: true }) { id } }');
    const { id } = JSON.parse(JSON.stringify(started?.runMigrations));
    expect((await remove('run')).errors?.[0]).toMatchObject({
      message: `The migration run ${id} includes the tenant run and has not finished. Wait for its end with \`tenantry migrate watch ${id}\`, or cancel it with \`tenantry migrate cancel ${id}\` or the mutation cancelMigrationRun.`,
      extensions: { code: 'CONFLICT', run: id },
    });
    await ask(`mutation { cancelMigrationRun(id: "${id}") { id } }`);
    expect(await remove('run')).not.toHaveProperty('errors');
  });

  it('is for its owners too, but not while a run is to come to it, nor when it is suspended; it is audited', async () => {
    await create('owned', 'SCHEMA');
    const [owner, admin] = [
      await join(app, 'owner@owned.example.com', 'owned', 'OWNER'),
      await join(app, 'admin@owned.example.com', 'owned', 'ADMIN'),
    ];
    const removeAs = (headers: Record<string, string>, slug = 'owned') =>
      app.ask(`mutation { deleteTenant(id: "owned", slug: "${slug}") { slug } }`, headers);
    const claimed = await app.services.tokens.issue({ tenant: 'owned', role: 'OWNER', expiresIn: '1h' });
    expect(codeOf(await removeAs(admin.headers))).toBe('FORBIDDEN');
    expect(codeOf(await removeAs({ authorization: `Bearer ${claimed}` }))).toBe('TENANT_NOT_FOUND');
    expect(codeOf(await removeAs(owner.headers, 'another'))).toBe('BAD_USER_INPUT');
    await setStatus('owned', 'SUSPENDED');
    expect(codeOf(await removeAs(owner.headers))).toBe('TENANT_SUSPENDED');
    await setStatus('owned', 'ACTIVE');
    const started = await ask('mutation { runMigrations(input: { tenants: ["owned"], verify: true }) { id } }');
    expect(codeOf(await removeAs(owner.headers))).toBe('CONFLICT');
    await ask(`mutation { cancelMigrationRun(id: "${JSON.parse(JSON.stringify(started?.runMigrations)).id}") { id } }`);
    expect(await removeAs(owner.headers)).toEqual({ data: { deleteTenant: { slug: 'owned' } } });
    await expectNoLeftovers();
    const audited = `SELECT actor, outcome FROM audit_log WHERE action = 'deleteTenant' ORDER BY id DESC LIMIT 1`;
    expect(await postgres.rows(audited, [], 'auth')).toEqual([{ actor: owner.email, outcome: 'OK' }]);
  });

  it('that begins while a run is being planned keeps the tenant out of it', async () => {
    for (const slug of ['early', 'late']) await create(slug, 'SCHEMA');
    const deleting = await postgres.connect('auth');
    await deleting.query(`BEGIN; SELECT FROM tenants WHERE slug = 'late' FOR UPDATE`);
    const planning = ask(
      'mutation { runMigrations(input: { verify: true }) { id items { nodes { tenant { slug } } } } }',
    );
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%migration_run_items%'`;
    await vi.waitFor(async () => expect(await postgres.rows(waiting)).toHaveLength(1), { timeout: 10_000 });
    await deleting.query(`UPDATE tenants SET status = 'DELETING' WHERE slug = 'late'; COMMIT`);
    await deleting.end();
    const run = (await planning)?.runMigrations;
    expect(run).toMatchObject({ items: { nodes: [{ tenant: { slug: 'early' } }] } });
    await ask(`mutation { cancelMigrationRun(id: "${JSON.parse(JSON.stringify(run)).id}") { id } }`);
    await setStatus('late', 'ACTIVE');
    for (const slug of ['early', 'late']) expect(await remove(slug)).not.toHaveProperty('errors');
  });

  it('at the same time as a checkpoint is made leaves nothing behind, whichever comes first', async () => {
    await create('copied', 'DATABASE');
    const [made, deleted] = await Promise.all([
      app.ask('mutation { createCheckpoint(tenant: "copied") { id } }', app.admin),
      remove('copied'),
    ]);
    expect([codeOf(made), codeOf(deleted)]).toContain(undefined);
    if (codeOf(deleted) !== undefined) expect(codeOf(await remove('copied'))).toBeUndefined();
    await expectNoLeftovers();
  });

  it('ends later what cannot be done now; the slug is taken until then', async () => {
    await create('stuck', 'DATABASE');
    const { database } = await rowOf('stuck');
    await postgres.rows(`ALTER DATABASE ${database} IS_TEMPLATE true`);
    expect(await remove('stuck')).toMatchObject({
      errors: [{ message: expect.stringContaining('is being deleted'), extensions: { code: 'SERVER_BUSY' } }],
    });
    const input = 'slug: "stuck", name: "x", isolation: SCHEMA';
    const again = () => app.ask(`mutation { createTenant(input: { ${input} }) { status } }`, app.admin);
    expect(codeOf(await again())).toBe('SLUG_TAKEN');
    await postgres.rows(`ALTER DATABASE ${database} IS_TEMPLATE false`);
    await recoverTenants(app.services.provisioning);
    expect(await again()).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
    await remove('stuck');
    await expectNoLeftovers();
  });

  it('is not undone by a request that comes late and finds the role gone', async () => {
    await create('late', 'SCHEMA');
    const row = await rowOf('late');
    await remove('late');
    await expect(other.services.tenants.pool(row).connect()).rejects.toMatchObject({ code: 'TENANT_NOT_FOUND' });
    await expectNoLeftovers();
  });
});
