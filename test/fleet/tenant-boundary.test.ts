import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({ one: 'DATABASE', two: 'SCHEMA' });
});

afterAll(() => fleet[Symbol.asyncDispose]());

it.each([
  // Case 15; https://www.postgresql.org/docs/current/ddl-schemas.html
  ['public', ['CREATE TABLE public.notes (id int)'], 'Write notes instead of public.notes'],
  // Case 16; https://www.postgresql.org/docs/current/sql-createextension.html
  [
    'extension',
    ['CREATE EXTENSION IF NOT EXISTS btree_gist'],
    'Write a migration in migrations/common instead: CREATE EXTENSION btree_gist',
  ],
  // Case 19; https://www.postgresql.org/docs/current/sql-createschema.html
  [
    'audit',
    ['CREATE SCHEMA audit', 'CREATE TABLE audit.log (at timestamptz)'],
    'such as audit_log instead of audit.log',
  ],
  // https://www.postgresql.org/docs/current/user-manag.html
  ['role', ['CREATE ROLE reader'], 'Roles belong to the whole server'],
  [
    'common',
    ["INSERT INTO common.units VALUES ('kg')"],
    'Write this statement in a migration in migrations/common instead',
  ],
])('a run refuses what leaves a tenant’s schema before it touches a tenant: %s', async (name, statements, advice) => {
  const migration = `20270101000000_${name}`;
  await fleet.migrations.add('20260101000000_first', 'CREATE TABLE first (id int)');
  await fleet.migrations.add(migration, ...statements);
  const run = await fleet.run();
  expect(run).toMatchObject({ status: 'FAILED', failed: 2 });
  for (const { error } of run.items.nodes) {
    expect(error).toContain(`${migration} would leave the tenant's schema (${statements[0]}, line 2)`);
    expect(error).toContain(advice);
  }
  for (const slug of ['one', 'two']) expect(await fleet.applied(slug)).toEqual(['20261121000000_fixture']);
  await fleet.migrations.remove(migration, '20260101000000_first');
});
