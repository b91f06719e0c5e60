import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';
import { isLimited } from '../support/start-cluster.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({
    'one-db': 'DATABASE',
    'two-db': 'DATABASE',
    'one-schema': 'SCHEMA',
    'two-schema': 'SCHEMA',
    'three-schema': 'SCHEMA',
  });
});
afterAll(() => fleet[Symbol.asyncDispose]());

const doctor = () => commandsOf(fleet.app)('doctor');

it('finds no difference between tenants of both isolations that have the same migrations', async () => {
  // It warns of what only a superuser may do.
  const well = isLimited ? 'All else is well.' : 'All is well.';
  expect(await doctor()).toMatchObject({ exit: 0, stdout: expect.stringContaining(well) });
});

it('names the tenants that differ from the others, and how', async () => {
  await fleet.inTenant('two-db', 'ALTER TABLE products DROP CONSTRAINT products_stock_check, ADD COLUMN more int');
  await fleet.inTenant('two-schema', 'DROP INDEX products_created_at_idx; CREATE INDEX own ON products (stock)');
  await fleet.inTenant('three-schema', 'DROP INDEX products_created_at_idx; CREATE INDEX own ON products (stock)');
  const { exit, stdout } = await doctor();
  expect(exit).toBe(1);
  const at = 'Tenants at 20261121000000_fixture differ from one-db, which has the same migrations';
  expect(stdout).toContain(
    `${at}: two-schema, three-schema. index own exists only in two-schema; index products_created_at_idx exists only in one-db`,
  );
  expect(stdout).toContain(
    `${at}: two-db. column products.more exists only in two-db; constraint products.products_stock_check exists only in one-db`,
  );
});

it('looks at a tenant whose table is locked for long another time', async () => {
  const session = await fleet.sessionIn('one-db');
  await session.query('BEGIN; LOCK TABLE products');
  const { stdout } = await doctor();
  await fleet.end(session);
  expect(stdout).toMatch(/Tenants at 20261121000000_fixture differ from \w+-schema, .* two-db\. /);
});
