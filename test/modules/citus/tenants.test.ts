import pg from 'pg';
import { expect, it, vi } from 'vitest';
import { derivePasswords } from '../../../src/postgres/admin/roles.ts';
import { describeCitus, useCitusFleet } from '../../support/citus-fleet.ts';

const slugs = ['north', 'south', 'west'];

describeCitus('tenants with schemas on a Citus cluster', () => {
  const fleet = useCitusFleet(slugs);

  it('are created on its nodes, with roles that all of them know', async () => {
    const { citus, logged } = fleet();
    const places = await Promise.all(slugs.map((slug) => fleet().placeOf(slug)));
    for (const { placement } of places) expect(citus.nodes).toContain(placement.node);
    const spread = await citus.rows<{ name: string }>('SELECT schema_name::text AS name FROM citus_schemas ORDER BY 1');
    expect(spread.map(({ name }) => name)).toEqual(places.map(({ placement }) => placement.schema).toSorted());
    const known = await citus.onEachWorker<{ name: string }>(
      `SELECT rolname AS name FROM pg_roles WHERE rolname LIKE 'tenant\\_%'`,
    );
    for (const roles of known) {
      expect(roles.map(({ name }) => name)).toEqual(expect.arrayContaining(places.map(({ key }) => `tenant_${key}`)));
    }
    // Nothing is missing.
    expect(logged()).not.toMatch(/Citus/);
  });

  it('sell what is their own, and constraints of their shards are told as those of their tables', async () => {
    const here = fleet();
    for (const slug of slugs) {
      const headers = await here.ownerOf(slug);
      const product = await here.addProduct(slug, 'tea');
      const order = `placeOrder(input: { lines: [{ product: "${product}", quantity: 2 }] }) { total }`;
      expect(await here.ask(`mutation { ${order} }`, headers)).toEqual({ placeOrder: { total: '9.00' } });
      const again = 'createProduct(input: { sku: "tea", name: "x", price: "4.50", currency: "EUR" }) { id }';
      expect(await here.failure(`mutation { ${again} }`, headers)).toMatchObject({ code: 'CONFLICT' });
      expect(await here.ask('{ orders { totalCount nodes { lines { product { sku } } } } }', headers)).toEqual({
        orders: { totalCount: 1, nodes: [{ lines: [{ product: { sku: 'tea' } }] }] },
      });
    }
  });

  it('cannot do with SQL of their own what is forbidden, on no node', async () => {
    const { citus } = fleet();
    const { key, placement } = await fleet().placeOf('west');
    const role = `tenant_${key}`;
    const url = new URL(String(citus.env.DATABASE_URL));
    Object.assign(url, {
      pathname: `/${citus.shared}`,
      username: role,
      password: derivePasswords(String(citus.env.ROLE_SECRET))(role),
    });
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    try {
      const refused = [
        'SELECT run_command_on_workers($$ SELECT 1 $$)',
        'SELECT run_command_on_all_nodes($$ SELECT 1 $$)',
        'SELECT pg_advisory_lock(1)',
        // Citus sends this to the node.
        `SELECT pg_advisory_lock(stock) FROM ${placement.schema}.products`,
        `SELECT pg_relation_size('pg_class') FROM ${placement.schema}.products`,
        'SELECT * FROM citus_stat_activity',
      ];
      for (const sql of refused) await expect(client.query(sql), sql).rejects.toMatchObject({ code: '42501' });
      expect((await client.query(`SELECT FROM ${placement.schema}.products`)).rowCount).toBe(1);
      const other = (await fleet().placeOf('south')).placement.schema;
      await expect(client.query(`SELECT FROM ${other}.products`)).rejects.toMatchObject({ code: '42501' });
    } finally {
      await client.end();
    }
  });

  it('are suspended and served again', async () => {
    const here = fleet();
    const headers = await here.ownerOf('west');
    await here.ask('mutation { suspendTenant(id: "west") { status } }');
    expect(await here.failure('{ products { totalCount } }', headers)).toMatchObject({ code: 'TENANT_SUSPENDED' });
    await here.ask('mutation { activateTenant(id: "west") { status } }');
    await vi.waitFor(async () =>
      expect(await here.ask('{ products { totalCount } }', headers)).toEqual({ products: { totalCount: 1 } }),
    );
  });

  it('are deleted with their roles, on all nodes', async () => {
    const { citus } = fleet();
    const { key, placement } = await fleet().placeOf('west');
    await fleet().ask('mutation { deleteTenant(id: "west", slug: "west", purge: true) { status } }');
    await vi.waitFor(async () => {
      expect(await citus.rows(`SELECT FROM pg_roles WHERE rolname = 'tenant_${key}'`)).toEqual([]);
    }, 30_000);
    const left = await citus.onEachWorker(
      `SELECT 1 FROM pg_roles WHERE rolname = 'tenant_${key}' UNION ALL SELECT 1 FROM pg_namespace WHERE nspname = '${placement.schema}'`,
    );
    expect(left.flat()).toEqual([]);
    const stale = `SELECT FROM pg_dist_object WHERE classid = 'pg_authid'::regclass AND NOT EXISTS (SELECT FROM pg_authid a WHERE a.oid = objid)`;
    expect(await citus.rows(stale)).toEqual([]);
  });
});
