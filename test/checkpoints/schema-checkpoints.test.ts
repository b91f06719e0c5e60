import { afterAll, beforeAll, expect, it } from 'vitest';
import { pruneCheckpoints } from '../../src/checkpoints/checkpoints.ts';
import { lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({ shared: 'SCHEMA', drifted: 'SCHEMA', late: 'SCHEMA', old: 'SCHEMA', back: 'SCHEMA' });
});
afterAll(() => fleet[Symbol.asyncDispose]());

interface ShownCheckpoint {
  readonly id: string;
  readonly name: string;
  readonly version: string | null;
  readonly sizeBytes: number | null;
}

const create = async (slug: string) =>
  (
    await fleet.ask<{ createCheckpoint: ShownCheckpoint }>(
      `mutation { createCheckpoint(tenant: "${slug}") { id name version sizeBytes } }`,
    )
  ).createCheckpoint;
const databaseOf = async (id: string) =>
  (await fleet.inCatalog<{ database: string }>('SELECT database FROM checkpoints WHERE id = $1', [id]))[0]?.database ??
  '';
const snapshots = async () =>
  (
    await fleet.inCatalog<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE datname LIKE 'snap%' ORDER BY 1`,
    )
  ).map(({ name }) => name);
const asOwner = async (sql: string) => {
  const session = await fleet.session('postgres');
  await session.query(sql);
  await fleet.end(session);
};
/** Reads a copy, to which nobody may connect. */
const inCopy = async <Row extends object>(id: string, sql: string): Promise<Row[]> => {
  const database = await databaseOf(id);
  await asOwner(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS true`);
  const session = await fleet.session(database);
  try {
    return (await session.query<Row & Record<string, unknown>>(sql)).rows;
  } finally {
    await fleet.end(session);
    await asOwner(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS false`);
  }
};

it('a tenant with a schema is copied as it is at one moment, while its requests are served', async () => {
  const token = await fleet.app.tokenFor('shared');
  const codes = new Set<string | undefined>();
  let [isOver, accepted] = [false, 0];
  const ask = async () => {
    for (let n = 0; !isOver; n += 1) {
      const { errors } = await fleet.http.ask(
        `mutation { createProduct(input: { sku: "p${n}", name: "n", price: "1", currency: "EUR" }) { id } }`,
        token,
      );
      if (errors) for (const { extensions } of errors) codes.add(extensions.code);
      else accepted += 1;
    }
  };
  const asking = ask();
  let checkpoint: ShownCheckpoint | undefined;
  let atLeast = 0;
  try {
    await eventually('requests are answered', async () => accepted > 3);
    atLeast = accepted;
    checkpoint = await create('shared');
  } finally {
    isOver = true;
    await asking;
  }
  expect([...codes]).toEqual([]);
  expect(checkpoint).toMatchObject({ version: '20261121000000_fixture', sizeBytes: expect.any(Number) });
  const [copied] = await inCopy<{ rows: number }>(checkpoint.id, 'SELECT count(*)::int AS rows FROM products');
  expect(copied?.rows).toBeGreaterThanOrEqual(atLeast);
  expect(copied?.rows).toBeLessThanOrEqual(accepted);
  const history = 'SELECT name, hash, status, applied_at FROM migration_history ORDER BY id';
  expect(await inCopy(checkpoint.id, history)).toEqual(await fleet.inTenant('shared', history));
});

it('a tenant whose tables were changed by hand is refused, and nothing is left', async () => {
  const before = await snapshots();
  await fleet.inTenant('drifted', 'ALTER TABLE products ADD COLUMN by_hand int');
  expect(await fleet.refusal('mutation { createCheckpoint(tenant: "drifted") { id } }')).toEqual({
    code: 'CONFLICT',
    message: expect.stringContaining('column products.by_hand exists only in the source'),
  });
  expect(await snapshots()).toEqual(before);
  expect(
    await fleet.inCatalog(`SELECT FROM checkpoints c JOIN tenants t ON t.id = tenant_id WHERE slug = 'drifted'`),
  ).toEqual([]);
});

it('a tenant that is behind, and one whose migrations were applied in another order, are copied as they are', async () => {
  await fleet.migrations.add('20270101000000_second', 'CREATE TABLE second (id int)');
  await fleet.run('tenants: ["late"]');
  // Dated before the one that is applied already.
  await fleet.migrations.add('20261231000000_first', 'CREATE TABLE first (id int)');
  await fleet.run('tenants: ["late"]');
  const inOrder = `SELECT name FROM migration_history WHERE status = 'APPLIED' ORDER BY id`;
  const checkpoints = { old: await create('old'), late: await create('late') };
  for (const [slug, { id }] of Object.entries(checkpoints)) {
    expect(await inCopy(id, inOrder)).toEqual(await fleet.inTenant(slug, inOrder));
  }
  expect(checkpoints.old.version).toBe('20261121000000_fixture');
  expect(await inCopy(checkpoints.old.id, `SELECT to_regclass('second') AS second`)).toEqual([{ second: null }]);
  await fleet.migrations.remove('20270101000000_second');
  expect(await fleet.refusal('mutation { createCheckpoint(tenant: "late") { id } }')).toEqual({
    code: 'MIGRATION_UNKNOWN',
    message: expect.stringContaining('20270101000000_second has been applied, but the code has no such migration'),
  });
});

const insert = (slug: string, sku: string) =>
  fleet.inTenant(slug, `INSERT INTO products (sku, name, price, currency, stock) VALUES ('${sku}', 'n', 1, 'EUR', 1)`);
/** The products, as the tenant's requests see them. */
const skus = async (slug: string) => {
  const { data, errors } = await fleet.http.ask<{ products: { nodes: { sku: string }[] } }>(
    '{ products { nodes { sku } } }',
    await fleet.app.tokenFor(slug),
  );
  expect(errors).toBeUndefined();
  return data?.products.nodes.map(({ sku }) => sku).sort();
};
const restore = (id: string) =>
  fleet.ask(`mutation { restoreCheckpoint(id: "${id}", acceptDataLoss: true) { slug status } }`);
const move = async (slug: string, isolation: string) => {
  const { moveTenant } = await fleet.ask<{ moveTenant: { id: string } }>(
    `mutation { moveTenant(input: { tenant: "${slug}", isolation: ${isolation}, keepHours: 0 }) { id } }`,
  );
  await eventually('it has moved', async () => {
    const [row] = await fleet.inCatalog<{ status: string }>('SELECT status FROM tenant_transfers WHERE id = $1', [
      moveTenant.id,
    ]);
    return row?.status === 'SUCCEEDED';
  });
};

it('a tenant is brought back to its checkpoint, in a schema, and after it has moved there and back', async () => {
  await insert('back', 'first');
  const ofSchema = await create('back');
  await insert('back', 'second');
  expect(await fleet.refusal(`mutation { restoreCheckpoint(id: "${ofSchema.id}") { slug } }`)).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('would lose everything that back has written since'),
  });
  expect(await restore(ofSchema.id)).toEqual({ restoreCheckpoint: { slug: 'back', status: 'ACTIVE' } });
  expect(await skus('back')).toEqual(['first']);
  await insert('back', 'third');
  await move('back', 'DATABASE');
  expect(await skus('back')).toEqual(['first', 'third']);
  const ofDatabase = await create('back');
  await restore(ofSchema.id);
  expect(await skus('back')).toEqual(['first']);
  await move('back', 'SCHEMA');
  await restore(ofDatabase.id);
  expect(await skus('back')).toEqual(['first', 'third']);
  const [row] = await fleet.inCatalog<{ places: number }>(
    `SELECT count(*)::int AS places FROM pg_roles WHERE rolname LIKE 'tenant\\_%'`,
  );
  expect(row?.places).toBe(5);
});

it('an unfinished one is neither shown nor restored, and is dropped once its process is dead', async () => {
  const auth = await fleet.session('auth');
  const living = 424_242;
  await auth.query('SELECT pg_advisory_lock($1, $2)', [lockKind.alive, living]);
  const begun = async (database: string, process: number) => {
    await asOwner(`CREATE DATABASE ${database}`);
    const [row] = await fleet.inCatalog<{ id: string }>(
      `INSERT INTO checkpoints (tenant_id, name, server, database, building_by)
       SELECT id, 'unfinished', server, $1, $2 FROM tenants WHERE slug = 'old' RETURNING id`,
      [database, process],
    );
    return row?.id ?? '';
  };
  const ids = [await begun('snap_living0000', living), await begun('snap_dead000000', 434_343)];
  expect(await fleet.ask('{ checkpoints(tenant: "old") { name } }')).toEqual({
    checkpoints: [{ name: expect.stringMatching(/^checkpoint_/) }],
  });
  for (const id of ids) {
    expect(
      await fleet.refusal(`mutation { restoreCheckpoint(id: "${id}", acceptDataLoss: true) { id } }`),
    ).toMatchObject({
      code: 'NOT_FOUND',
    });
  }
  await pruneCheckpoints(fleet.app.services.checkpoints);
  expect(await snapshots()).toContain('snap_living0000');
  expect(await snapshots()).not.toContain('snap_dead000000');
  await auth.query('SELECT pg_advisory_unlock($1, $2)', [lockKind.alive, living]);
  await pruneCheckpoints(fleet.app.services.checkpoints);
  expect(await snapshots()).not.toContain('snap_living0000');
  expect(await fleet.inCatalog(`SELECT FROM checkpoints WHERE name = 'unfinished'`)).toEqual([]);
});
