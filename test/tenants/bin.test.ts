import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { purgeExpired, retentionActor } from '../../src/tenants/purge-expired.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { codeOf, join, login, type Person, password } from '../support/accounts.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';

const products = '{ products { totalCount } }';

describe('the bin of tenants', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start({ JWT_SECRET: 'the secret of the tests of the bin', OWN_TENANTS: '2' });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const remove = (slug: string, more = '') =>
    fleet.app.ask(
      `mutation { deleteTenant(id: "${slug}", slug: "${slug}" ${more}) { status purgeAt deletedBy } }`,
      fleet.app.admin,
    );
  const undelete = (slug: string) =>
    fleet.app.ask(`mutation { undeleteTenant(id: "${slug}") { status purgeAt deletedAt deletedBy } }`, fleet.app.admin);
  const statusOf = async (slug: string) => {
    const { tenant } = await fleet.ask<{ tenant: { status: string } | null }>(`{ tenant(slug: "${slug}") { status } }`);
    return tenant?.status;
  };
  const auditOf = (action: string, tenant: string) =>
    fleet.inCatalog<{ actor: string; details: string }>(
      'SELECT actor, details FROM audit_log WHERE action = $1 AND tenant_id = $2',
      [action, tenant],
    );
  const expire = (slug: string) =>
    fleet.inCatalog(`UPDATE tenants SET purge_at = now() - interval '1 second' WHERE slug = $1`, [slug]);
  const served = async (slug: string) => codeOf(await fleet.app.ask(products, await fleet.app.tokenFor(slug)));

  it.each(['DATABASE', 'SCHEMA'] as const)(
    'closes a tenant, keeps what it has and brings it back: %s',
    async (kind) => {
      const slug = `back-${kind.toLowerCase()}`;
      await fleet.createTenants({ [slug]: kind });
      const product = '{ sku: "a", name: "a", price: "1.00", currency: "EUR" }';
      const token = await fleet.app.tokenFor(slug);
      await fleet.app.ask(`mutation { createProduct(input: ${product}) { sku } }`, token);
      const person = await join(fleet.app, `${slug}@example.com`, slug, 'OWNER');
      if (kind === 'DATABASE') await fleet.ask(`mutation { createCheckpoint(tenant: "${slug}") { id } }`);
      const { id, key } = await fleet.tenant(slug);

      const before = Date.now();
      const { data, errors } = await remove(slug);
      expect(errors).toBeUndefined();
      expect(data?.deleteTenant).toMatchObject({ status: 'DELETED', deletedBy: expect.any(String) });
      const [row] = await fleet.inCatalog<{ days: number }>(
        'SELECT extract(epoch FROM purge_at - deleted_at)::float8 / 86400 AS days FROM tenants WHERE id = $1',
        [id],
      );
      expect(row?.days).toBe(7);
      expect(Date.now()).toBeGreaterThanOrEqual(before);
      await vi.waitFor(async () =>
        expect(codeOf(await fleet.app.ask(products, person.headers))).toBe('TENANT_NOT_FOUND'),
      );
      const roles = await fleet.inCatalog('SELECT rolcanlogin FROM pg_roles WHERE rolname = $1', [`tenant_${key}`]);
      expect(roles).toEqual([{ rolcanlogin: false }]);
      const memberships = '{ viewer { memberships { tenant { slug } } } }';
      const again = await login(fleet.app, `${slug}@example.com`);
      expect(await fleet.app.ask(memberships, again.headers)).toEqual({ data: { viewer: { memberships: [] } } });
      expect(codeOf(await remove(slug))).toBe('CONFLICT');
      const refused = await fleet.refusal(`mutation { createCheckpoint(tenant: "${slug}") { id } }`);
      expect(refused.message).toContain(`Bring it back first, with \`tenantry tenant undelete ${slug}\``);

      expect(await undelete(slug)).toEqual({
        data: { undeleteTenant: { status: 'ACTIVE', purgeAt: null, deletedAt: null, deletedBy: null } },
      });
      await vi.waitFor(async () =>
        expect(await fleet.app.ask(products, person.headers)).toEqual({ data: { products: { totalCount: 1 } } }),
      );
      const mine = await login(fleet.app, `${slug}@example.com`, password, slug);
      expect(await fleet.app.ask(memberships, mine.headers)).toEqual({
        data: { viewer: { memberships: [{ tenant: { slug } }] } },
      });
      if (kind === 'DATABASE') {
        expect(await fleet.inCatalog('SELECT name FROM checkpoints WHERE tenant_id = $1', [id])).toHaveLength(1);
      }
      expect(await auditOf('undeleteTenant', id)).toHaveLength(1);
      expect(codeOf(await undelete(slug))).toBe('CONFLICT');
    },
  );

  it.each(['SUSPENDED', 'NEEDS_ATTENTION'])('gives a tenant the status back that it had: %s', async (status) => {
    const slug = `was-${status.toLowerCase().replace('_', '-')}`;
    await fleet.createTenants({ [slug]: 'SCHEMA' });
    await fleet.inCatalog('UPDATE tenants SET status = $2 WHERE slug = $1', [slug, status]);
    expect((await remove(slug)).errors).toBeUndefined();
    expect(await undelete(slug)).toMatchObject({ data: { undeleteTenant: { status } } });
    // The audit log has looked the tenant up, and its change is told a moment later.
    await vi.waitFor(async () => expect(await served(slug)).toBe('TENANT_SUSPENDED'));
    expect((await remove(slug, ', purge: true')).errors).toBeUndefined();
  });

  it('keeps the slug and the host, which it says to platform admins only, and counts towards the limit of its owner', async () => {
    const owner = await join(fleet.app, 'owner@limit.example', await createFirst(), 'ADMIN');
    const create = (slug: string, by: Person | undefined, more = '') =>
      fleet.app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "x" ${more} }) { slug } }`,
        by?.headers ?? fleet.app.admin,
      );
    for (const slug of ['owned-1', 'owned-2']) expect((await create(slug, owner)).errors).toBeUndefined();
    await fleet.ask('mutation { updateTenant(input: { id: "owned-1", host: "one.example" }) { id } }');
    const asOwner = (text: string) => fleet.app.ask(`mutation { ${text} { status } }`, owner.headers);
    expect(codeOf(await asOwner('deleteTenant(id: "owned-1", slug: "owned-1", purge: true)'))).toBe('FORBIDDEN');
    expect(await asOwner('deleteTenant(id: "owned-1", slug: "owned-1")')).toEqual({
      data: { deleteTenant: { status: 'DELETED' } },
    });
    expect(codeOf(await asOwner('undeleteTenant(id: "owned-1")'))).toBe('FORBIDDEN');
    expect(codeOf(await asOwner('deleteTenant(id: "owned-1", slug: "owned-1")'))).toBe('TENANT_NOT_FOUND');
    expect(codeOf(await create('owned-3', owner))).toBe('FORBIDDEN');

    const other = await join(fleet.app, 'other@limit.example', await createFirst(), 'ADMIN');
    expect((await create('owned-1', other)).errors?.[0]).toMatchObject({
      message: 'A tenant with the slug owned-1 already exists',
      extensions: { code: 'SLUG_TAKEN', field: 'slug' },
    });
    const taken = (await create('owned-1', undefined)).errors?.[0];
    expect(taken?.extensions).toMatchObject({ code: 'SLUG_TAKEN', until: expect.stringMatching(/^20\d\d-.*Z$/) });
    expect(taken?.message).toContain('belongs to the deleted tenant owned-1 until 20');
    expect((await create('another', undefined, ', host: "one.example"')).errors?.[0]).toMatchObject({
      message: expect.stringContaining('The host one.example belongs to the deleted tenant owned-1'),
      extensions: { code: 'HOST_TAKEN' },
    });
    expect((await remove('owned-1', ', purge: true')).data?.deleteTenant).toMatchObject({ status: 'DELETING' });
    expect((await create('owned-1', owner)).errors).toBeUndefined();
  });

  let firsts = 0;
  async function createFirst(): Promise<string> {
    firsts += 1;
    await fleet.createTenants({ [`first-${firsts}`]: 'SCHEMA' });
    return `first-${firsts}`;
  }

  it('leaves a tenant out of runs and out of what is behind, and brings it forward before it is served', async () => {
    await fleet.createTenants({ forward: 'DATABASE', stays: 'SCHEMA' });
    await remove('forward');
    const name = '20270101000000_forward';
    await fleet.migrations.addReversible(
      name,
      'ALTER TABLE products ADD COLUMN forward integer',
      'ALTER TABLE products DROP COLUMN forward',
    );
    const run = await fleet.run();
    expect(run.items.nodes.map(({ tenant }) => tenant.slug)).not.toContain('forward');
    expect(await fleet.ask('{ fleetStatus { behind } tenants(filter: { behind: true }) { totalCount } }')).toEqual({
      fleetStatus: { behind: 0 },
      tenants: { totalCount: 0 },
    });
    expect((await fleet.refusal('mutation { runMigrations(input: { tenants: ["forward"] }) { id } }')).message).toBe(
      'These tenants cannot be migrated in their present status: forward (DELETED)',
    );
    expect(await undelete('forward')).toMatchObject({ data: { undeleteTenant: { status: 'ACTIVE' } } });
    expect(await fleet.applied('forward')).toContain(name);
    expect(await served('forward')).toBeUndefined();
  });

  it('keeps a tenant whose migrations fail, and says what failed', async () => {
    await fleet.createTenants({ failing: 'SCHEMA' });
    await remove('failing');
    const name = '20270102000000_failing';
    await fleet.migrations.add(name, 'ALTER TABLE nowhere ADD COLUMN failing integer');
    const { errors } = await undelete('failing');
    expect(errors?.[0]).toMatchObject({
      message: expect.stringMatching(
        /^The tenant failing stays deleted, because the run .* could not migrate it: .*nowhere/,
      ),
      extensions: { code: 'CONFLICT', run: expect.any(String) },
    });
    expect(await statusOf('failing')).toBe('DELETED');
    expect(await served('failing')).toBe('TENANT_NOT_FOUND');
    await fleet.migrations.remove(name);
    // The repaired run brings it back too.
    const run = String(errors?.[0]?.extensions?.run);
    await fleet.resume(run);
    await eventually('it is back', async () => (await statusOf('failing')) === 'ACTIVE');
    expect(await served('failing')).toBeUndefined();
  });

  it('removes a tenant whose time is over, with proof', async () => {
    await fleet.createTenants({ over: 'DATABASE' });
    await fleet.ask('mutation { createCheckpoint(tenant: "over", name: "last one") { id } }');
    const { id, key, database } = await fleet.tenant('over');
    await remove('over');
    await purgeExpired(fleet.app.services.provisioning);
    expect(await statusOf('over')).toBe('DELETED');
    await expire('over');
    await purgeExpired(fleet.app.services.provisioning);
    expect(await statusOf('over')).toBeUndefined();
    expect(await fleet.inCatalog('SELECT FROM pg_database WHERE datname = $1', [database])).toEqual([]);
    const [proof, ...others] = await auditOf('tenant.purge', id);
    expect(others).toEqual([]);
    expect(proof?.actor).toBe(retentionActor);
    expect(JSON.parse(proof?.details ?? '')).toMatchObject({
      slug: 'over',
      isolation: 'DATABASE',
      dropped: {
        server: 'default',
        database,
        role: `tenant_${key}`,
        bytes: expect.any(Number),
        tables: expect.any(Number),
        checkpoints: 1,
        checkpointNames: ['last one'],
      },
      members: 0,
      deletedBy: expect.any(String),
      deletedAt: expect.stringMatching(/Z$/),
      doneAt: expect.stringMatching(/Z$/),
    });
    expect(codeOf(await undelete('over'))).toBe('TENANT_NOT_FOUND');
  });

  it('brings a tenant back or removes it, if both are asked for at once, and does nothing twice', async () => {
    for (let round = 0; round < 4; round += 1) {
      const slug = `race-${round}`;
      await fleet.createTenants({ [slug]: 'SCHEMA' });
      const { id } = await fleet.tenant(slug);
      await remove(slug);
      await expire(slug);
      const [one, other] = await Promise.all([
        undelete(slug),
        undelete(slug),
        purgeExpired(fleet.app.services.provisioning),
        purgeExpired(fleet.app.services.provisioning),
      ]);
      await recoverTenants(fleet.app.services.provisioning);
      const status = await statusOf(slug);
      const wins = [one, other].filter(({ errors }) => errors === undefined).length;
      expect({ status, wins, proofs: (await auditOf('tenant.purge', id)).length }).toEqual(
        status === 'ACTIVE' ? { status, wins: 1, proofs: 0 } : { status: undefined, wins: 0, proofs: 1 },
      );
      if (status === 'ACTIVE') expect(await served(slug)).toBeUndefined();
    }
  });

  it('refuses to put a tenant there while a run is to come to it, and a run starts without a tenant that goes there', async () => {
    await fleet.createTenants({ racing: 'SCHEMA' });
    const [deleted, started] = await Promise.all([
      remove('racing'),
      fleet.app.ask(
        'mutation { runMigrations(input: { tenants: ["racing"], verify: true, wait: true }) { total status } }',
        fleet.app.admin,
      ),
    ]);
    const run = Object(started.data?.runMigrations);
    if (deleted.errors) expect({ code: codeOf(deleted), total: run.total }).toEqual({ code: 'CONFLICT', total: 1 });
    // The run had ended before the tenant went there.
    else if (run.total === 1) expect(run.status).toBe('SUCCEEDED');
    else expect([0, undefined]).toContain(run.total);
  });

  it('is known to the doctor, who misses what is lost and what should be gone', async () => {
    await fleet.createTenants({ checked: 'SCHEMA' });
    await remove('checked');
    const { database, schema } = await fleet.tenant('checked');
    const findings = async () => {
      const { searchProblems } = await import('../../src/doctor/search.ts');
      const { servers, config } = fleet.app.services;
      const found = await searchProblems({ servers, config, idleLockSeconds: 60 });
      return found
        .map(({ message }) => message)
        .filter((message) => message.includes('checked') || message.includes(schema));
    };
    expect(await findings()).toEqual([]);
    await fleet.inCatalog(`UPDATE tenants SET purge_at = now() - interval '2 hours' WHERE slug = 'checked'`);
    const owner = await fleet.session(database);
    await owner.query(`DROP SCHEMA ${schema} CASCADE`);
    expect(await findings()).toEqual([
      'The time of the deleted tenant checked in the bin is over, but no process has removed it',
      `The schema ${schema} of the tenant checked is missing on the server default`,
    ]);
    const { migrationHistory } = await fleet.ask<{ migrationHistory: { totalCount: number } }>(
      '{ migrationHistory(tenant: "checked") { totalCount } }',
    );
    expect(migrationHistory.totalCount).toBe(0);
    await purgeExpired(fleet.app.services.provisioning);
    expect(await statusOf('checked')).toBeUndefined();
  });

  it('is emptied at once if there is no time in it', async () => {
    await using short = await Fleet.start({ TENANT_RETENTION_DAYS: '0' });
    await short.createTenants({ gone: 'SCHEMA' });
    expect(await short.ask('mutation { deleteTenant(id: "gone", slug: "gone") { status } }')).toEqual({
      deleteTenant: { status: 'DELETING' },
    });
    expect(await short.ask('{ tenant(slug: "gone") { id } }')).toEqual({ tenant: null });
  });
});
