import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { settling } from '../support/backends.ts';
import { cloneTenant } from '../support/clones.ts';
import { describePooled, expectProducts, sessionSettings, settingsIn } from '../support/pooled-installation.ts';
import { commandsOf } from '../support/run-command.ts';

const isolations = ['DATABASE', 'SCHEMA'] as const;
const other = { DATABASE: 'SCHEMA', SCHEMA: 'DATABASE' } as const;

describePooled('tenants behind PgBouncer', (place, admin) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-places-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const find = async (slug: string) => (await place().app.services.directory.byReference(slug)) ?? expect.unreachable();

  async function add(slug: string, sku: string): Promise<void> {
    const product = `{ sku: "${sku}", name: "n", price: "1", currency: "EUR" }`;
    const create = `mutation { createProduct(input: ${product}) { sku } }`;
    const { app } = place();
    expect(await app.ask(create, await app.tokenFor(slug))).not.toHaveProperty('errors');
  }

  /** Waits for the end of PgBouncer's own sessions, which a limited admin cannot end for a copy. */
  async function quiet(slug: string): Promise<void> {
    const { database, isolation } = await find(slug);
    if (admin === 'a superuser' || isolation === 'SCHEMA') return;
    const { address, rows } = place().postgres;
    const own = `SELECT FROM pg_stat_activity WHERE usename = $1 AND datname = $2 AND application_name = ''`;
    await vi.waitFor(async () => expect(await rows(own, [address.user, database])).toEqual([]), settling);
  }

  async function administer(slug: string, mutation: string): Promise<Record<string, unknown>> {
    await quiet(slug);
    const { app } = place();
    const { data, errors } = await app.ask(`mutation { ${mutation} }`, app.admin);
    expect(errors, mutation).toBeUndefined();
    return data ?? {};
  }

  /** Waits until a tenant is served, and expects it to be so from its own place, with its settings and these products. */
  async function expectServed(slug: string, skus: readonly string[]): Promise<void> {
    const { app, pooler, send } = place();
    const member = await app.tokenFor(slug);
    await expectProducts(app, member, ...skus);
    const row = await find(slug);
    const tenant = { slug, row, member };
    expect((await send(tenant, sessionSettings)).rows).toEqual(settingsIn(row.schema));
    const where = 'SELECT current_database() AS database, current_schema() AS schema, session_user AS user';
    const { database, schema, key } = row;
    expect((await send(tenant, where)).rows).toEqual([{ database, schema, user: `tenant_${key}` }]);
    const clients = (await pooler.console('SHOW CLIENTS')).map(({ user }) => user);
    expect(clients).toContain(`tenant_${key}`);
  }

  it.each(isolations)('are served after a checkpoint, a clone, the bin and an import: %s', async (isolation) => {
    const slug = `${isolation.toLowerCase()}-${isolations.indexOf(isolation)}`;
    await add(slug, 'kept');
    const { createCheckpoint } = await administer(slug, `createCheckpoint(tenant: "${slug}") { id }`);
    await add(slug, 'lost');
    const { id } = createCheckpoint as { id: string };
    await administer(slug, `restoreCheckpoint(id: "${id}", acceptDataLoss: true) { id }`);
    await expectServed(slug, ['kept']);

    await administer(slug, `deleteTenant(id: "${slug}", slug: "${slug}") { status }`);
    await administer(slug, `undeleteTenant(id: "${slug}") { status }`);
    await expectServed(slug, ['kept']);

    const { app, env } = place();
    const tenantry = commandsOf(app, env);
    const file = path.join(folder, slug);
    expect(await tenantry('tenant', 'export', slug, '--out', file)).toMatchObject({ exit: 0 });
    const to = ['--isolation', isolation];
    expect(await tenantry('tenant', 'import', file, '--slug', `${slug}-import`, ...to)).toMatchObject({ exit: 0 });
    await expectServed(`${slug}-import`, ['kept']);

    await quiet(slug);
    await cloneTenant(app, slug, `${slug}-clone`);
    await expectServed(`${slug}-clone`, ['kept']);
    await add(`${slug}-clone`, 'another');
    await expectServed(slug, ['kept']);
  });

  it.each(isolations)('are served after a move to the other isolation and back: %s', async (isolation) => {
    const slug = `${isolation.toLowerCase()}-${isolations.indexOf(isolation)}`;
    for (const to of [other[isolation], isolation]) {
      const before = await find(slug);
      const input = `{ tenant: "${slug}", isolation: ${to}, keepHours: 1 }`;
      await administer(slug, `moveTenant(input: ${input}) { id }`);
      await vi.waitFor(
        async () => expect(await find(slug)).toMatchObject({ isolation: to, status: 'ACTIVE' }),
        settling,
      );
      await expectServed(slug, ['kept']);
      // The old place has no session any more.
      const old = `SELECT datname FROM pg_stat_activity WHERE usename = 'tenant_${before.key}'`;
      expect(await place().postgres.rows(old)).toEqual([]);
    }
  });
});
