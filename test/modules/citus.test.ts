import { cp } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { FIRST_SERVER } from '../../src/catalog/entities/database-server.entity.ts';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { findLeftovers } from '../../src/doctor/find-leftovers.ts';
import { IDLE_LOCK_SECONDS } from '../../src/doctor/leftover.ts';
import { derivePasswords } from '../../src/postgres/admin/roles.ts';
import { type CitusInstallation, citusUrl, makeCitusInstallation } from '../support/citus.ts';
import { captureLog } from '../support/log-lines.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

interface ShownRun {
  readonly status: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly items: {
    readonly nodes: readonly { readonly tenant: { readonly slug: string }; readonly error: string | null }[];
  };
}

/** Where a tenant is. */
interface Place {
  readonly key: string;
  readonly placement: { readonly schema: string; readonly node: string | null };
}

it.skipIf(citusUrl === undefined)('a Citus cluster that is added is seen, with what it lacks', async () => {
  await using citus = await makeCitusInstallation(String(citusUrl), { isSpread: false });
  const { names } = citus;
  await using app = await startTestApp(names);
  const add = await runCommand(['server', 'add', 'eu', String(citus.env.DATABASE_URL)], {
    NODE_ENV: 'test',
    DATA_DIR: app.services.config.dataDir,
    ...names,
  });
  expect(add).toMatchObject({ exit: 0, stderr: '' });
  expect(add.stdout).toMatch(/^The server eu was added\.\nIt has a Citus cluster \(\d+\.\S+\) with the nodes: /);
  for (const node of citus.nodes) expect(add.stdout).toContain(node);
  expect(add.stdout).toContain(`ALTER DATABASE "${citus.shared}" SET citus.enable_schema_based_sharding = on`);
});

describe.skipIf(citusUrl === undefined)('tenants with schemas on a Citus cluster', () => {
  const { log, text: logged } = captureLog();
  const slugs = ['north', 'south', 'west'];
  const products = new Map<string, string>();
  let citus: CitusInstallation;
  let migrations: MigrationDir;
  let app: TestApp;

  const ask = async <Data = Record<string, unknown>>(query: string, headers = app.admin): Promise<Data> => {
    const { data, errors } = await app.ask(query, headers);
    expect(errors).toBeUndefined();
    // The caller knows what it asks for.
    return data as Data;
  };
  const failure = async (query: string, headers = app.admin) => {
    const [error] = (await app.ask(query, headers)).errors ?? [];
    return { code: error?.extensions.code, message: error?.message };
  };
  const ownerOf = async (tenant: string) => {
    const token = await app.services.tokens.issue({ tenant, role: 'OWNER', expiresIn: '1h' });
    return { authorization: `Bearer ${token}` };
  };
  const placeOf = async (slug: string): Promise<Place> => {
    const { key } = await app.services.catalog.fork().findOneOrFail(Tenant, { slug });
    const { tenant } = await ask<{ tenant: Pick<Place, 'placement'> }>(
      `{ tenant(slug: "${slug}") { placement { schema node } } }`,
    );
    return { key, ...tenant };
  };
  const run = async (call: string) => {
    const { begun } = await ask<{ begun: { id: string } }>(`mutation { begun: ${call} { id } }`);
    const { id } = begun;
    const shown = `{ migrationRun(id: "${id}") { status succeeded failed items { nodes { tenant { slug } status error } } } }`;
    return vi.waitFor(async () => {
      const { migrationRun } = await ask<{ migrationRun: ShownRun }>(shown);
      expect(migrationRun.status).not.toMatch(/PENDING|RUNNING/);
      return { id, ...migrationRun };
    }, 60_000);
  };
  /** What the tenant's shards are on the workers, as its role sees nothing of it. */
  const columnsOf = async (schema: string, table: string) => {
    const found = await citus.onEachWorker<{ name: string }>(
      `SELECT DISTINCT attname AS name FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
       WHERE relnamespace = to_regnamespace('${schema}') AND relname ~ '^${table}_[0-9]+$' AND attnum > 0 AND NOT attisdropped`,
    );
    return found.flat().map(({ name }) => name);
  };

  beforeAll(async () => {
    citus = await makeCitusInstallation(String(citusUrl));
    migrations = await makeMigrationDir({ empty: true });
    await cp('migrations/tenant', migrations.path, { recursive: true });
    app = await startTestApp({ ...citus.env, TENANT_MIGRATIONS_DIR: migrations.path }, { log });
  });
  afterAll(async () => {
    await app?.[Symbol.asyncDispose]();
    await migrations?.[Symbol.asyncDispose]();
    await citus?.[Symbol.asyncDispose]();
  });

  it('are created on its nodes, with roles that all of them know', async () => {
    for (const slug of slugs) {
      expect(
        await ask(`mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: SCHEMA }) { status } }`),
      ).toEqual({ createTenant: { status: 'ACTIVE' } });
    }
    const places = await Promise.all(slugs.map(placeOf));
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
    for (const slug of slugs) {
      const headers = await ownerOf(slug);
      const create =
        'createProduct(input: { sku: "tea", name: "Tea", price: "4.50", currency: "EUR", stock: 1000000 })';
      const { createProduct } = await ask<{ createProduct: { id: string } }>(`mutation { ${create} { id } }`, headers);
      products.set(slug, createProduct.id);
      const order = `placeOrder(input: { lines: [{ product: "${createProduct.id}", quantity: 2 }] }) { total }`;
      expect(await ask(`mutation { ${order} }`, headers)).toEqual({ placeOrder: { total: '9.00' } });
      expect(await failure(`mutation { ${create} { id } }`, headers)).toMatchObject({ code: 'CONFLICT' });
      expect(await ask('{ orders { totalCount nodes { lines { product { sku } } } } }', headers)).toEqual({
        orders: { totalCount: 1, nodes: [{ lines: [{ product: { sku: 'tea' } }] }] },
      });
    }
  });

  it('are migrated, with concurrent indexes too, and taken back', async () => {
    await migrations.addReversible(
      '20270101000000_colour',
      'ALTER TABLE products ADD COLUMN colour text; CREATE INDEX products_colour ON products (colour)',
      'ALTER TABLE products DROP COLUMN colour',
    );
    await migrations.addClass(
      '20270102000000_concurrent',
      `override isTransactional() { return false; }
       override up() { this.addSql('CREATE INDEX CONCURRENTLY products_stock ON products (stock)'); }
       override down() { this.addSql('DROP INDEX CONCURRENTLY products_stock'); }`,
    );
    const up = await run('runMigrations(input: {})');
    expect(up).toMatchObject({ status: 'SUCCEEDED', succeeded: slugs.length });
    for (const slug of slugs) {
      const { placement } = await placeOf(slug);
      expect(await columnsOf(placement.schema, 'products')).toContain('colour');
    }
    expect(await run(`undoMigrationRun(id: "${up.id}")`)).toMatchObject({ status: 'SUCCEEDED' });
    for (const slug of slugs) {
      const { placement } = await placeOf(slug);
      expect(await columnsOf(placement.schema, 'products')).not.toContain('colour');
    }
    await migrations.remove('20270102000000_concurrent');
    expect(await run('runMigrations(input: {})')).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('fail alone, and are as they were', async () => {
    await ask(
      'mutation { createProduct(input: { sku: "bad", name: "Bad", price: "1", currency: "EUR", stock: 1 }) { id } }',
      await ownerOf('south'),
    );
    await migrations.addReversible(
      '20270103000000_no_bad',
      `ALTER TABLE products ADD COLUMN origin text; ALTER TABLE products ADD CONSTRAINT products_no_bad CHECK (sku <> 'bad')`,
      'ALTER TABLE products DROP COLUMN origin; ALTER TABLE products DROP CONSTRAINT products_no_bad',
    );
    const { items, ...result } = await run('runMigrations(input: {})');
    expect(result).toMatchObject({ succeeded: slugs.length - 1, failed: 1 });
    const south = items.nodes.find(({ tenant }) => tenant.slug === 'south');
    expect(south?.error).toMatch(/products_no_bad/);
    expect(await columnsOf((await placeOf('south')).placement.schema, 'products')).not.toContain('origin');
    await ask(`mutation { deleteProduct(id: "${await badProduct()}") }`, await ownerOf('south'));
    expect(await run('runMigrations(input: {})')).toMatchObject({ status: 'SUCCEEDED' });
  });

  const badProduct = async () => {
    const { products: found } = await ask<{ products: { nodes: { id: string }[] } }>(
      '{ products(filter: { sku: { eq: "bad" } }) { nodes { id } } }',
      await ownerOf('south'),
    );
    return found.nodes[0]?.id;
  };

  it('move to another node, while their writes go on', async () => {
    const headers = await ownerOf('north');
    const { placement } = await placeOf('north');
    const other = citus.nodes.find((node) => node !== placement.node);
    const { servers } = await ask<{ servers: { nodes: { address: string; tenantCount: number }[] }[] }>(
      '{ servers { nodes { address isActive tenantCount } } }',
    );
    const nodes = servers.flatMap((server) => server.nodes);
    expect(nodes.map(({ address }) => address)).toEqual(citus.nodes);
    expect(nodes.reduce((sum, { tenantCount }) => sum + tenantCount, 0)).toBe(slugs.length);
    const order = `mutation { placeOrder(input: { lines: [{ product: "${products.get('north')}", quantity: 1 }] }) { id } }`;
    let isMoving = true;
    let written = 1;
    const writing = (async () => {
      while (isMoving) {
        expect((await app.ask(order, headers)).errors).toBeUndefined();
        written += 1;
      }
    })();
    const move = `moveTenant(input: { tenant: "north", node: "${other}", online: true }) { id to { schema node } from { node } }`;
    const { moveTenant } = await ask<{ moveTenant: { id: string } }>(`mutation { ${move} }`);
    expect(moveTenant).toMatchObject({ to: { node: other, schema: placement.schema }, from: { node: placement.node } });
    try {
      await vi.waitFor(async () => {
        const { tenantTransfer } = await ask(`{ tenantTransfer(id: "${moveTenant.id}") { status error } }`);
        expect(tenantTransfer).toEqual({ status: 'SUCCEEDED', error: null });
      }, 60_000);
    } finally {
      isMoving = false;
      await writing;
    }
    expect((await placeOf('north')).placement).toEqual({ schema: placement.schema, node: other });
    expect(await ask('{ orders { totalCount } }', headers)).toEqual({ orders: { totalCount: written } });
  });

  it('are not moved to a node that is none, or that has them', async () => {
    const { placement } = await placeOf('west');
    const move = (more: string) => `mutation { moveTenant(input: { tenant: "west" ${more} }) { id } }`;
    expect(await failure(move('node: "nowhere:1"'))).toEqual({
      code: 'BAD_USER_INPUT',
      message: expect.stringContaining(`It has: ${citus.nodes.join(', ')}`),
    });
    expect(await failure(move(`node: "${placement.node}"`))).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await failure(move(`node: "${placement.node}", isolation: DATABASE`))).toMatchObject({
      code: 'BAD_USER_INPUT',
    });
    // Their rows would be left behind: the coordinator does not have them.
    expect(await failure(move('isolation: DATABASE'))).toEqual({
      code: 'CONFLICT',
      message: expect.stringContaining('citus_schema_undistribute'),
    });
  });

  it('cannot do with SQL of their own what is forbidden, on no node', async () => {
    const { key, placement } = await placeOf('west');
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
      const other = (await placeOf('south')).placement.schema;
      await expect(client.query(`SELECT FROM ${other}.products`)).rejects.toMatchObject({ code: '42501' });
    } finally {
      await client.end();
    }
  });

  it('are suspended and served again', async () => {
    const headers = await ownerOf('west');
    await ask('mutation { suspendTenant(id: "west") { status } }');
    expect(await failure('{ products { totalCount } }', headers)).toMatchObject({ code: 'TENANT_SUSPENDED' });
    await ask('mutation { activateTenant(id: "west") { status } }');
    await vi.waitFor(async () =>
      expect(await ask('{ products { totalCount } }', headers)).toEqual({ products: { totalCount: 1 } }),
    );
  });

  it('leave nothing for doctor to find, unless the cluster lacks something', async () => {
    const find = () => {
      const { config, servers } = app.services;
      return findLeftovers({
        servers: new Map(servers.known().map(({ row, server }) => [row.name, server])),
        first: FIRST_SERVER,
        databases: config.databases,
        bounds: config.connections.tenantBounds,
        idleLockSeconds: IDLE_LOCK_SECONDS,
      });
    };
    expect(await find()).toEqual([]);
    await citus.rows(`ALTER DATABASE "${citus.shared}" RESET citus.enable_schema_based_sharding`);
    await citus.onEachWorker('GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC');
    const found = await find();
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringContaining('stay on its coordinator'),
      expect.stringContaining(`On ${citus.nodes.length} workers`),
    ]);
    await citus.rows(`ALTER DATABASE "${citus.shared}" SET citus.enable_schema_based_sharding = on`);
    const fix = found[1]?.fix;
    if (typeof fix !== 'object') throw new Error('there is no fix');
    await citus.rows(fix.sql);
    expect(await find()).toEqual([]);
  });

  it('are deleted with their roles, on all nodes', async () => {
    const { key, placement } = await placeOf('west');
    await ask('mutation { deleteTenant(id: "west", slug: "west", purge: true) { status } }');
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
