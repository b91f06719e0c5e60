import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/migrator/apply/apply.ts';
import { readSchemaFacts } from '../../src/migrator/compare/schema-facts.ts';
import { Fleet } from '../support/fleet.ts';

/** The last migration of auth before tenants could be moved, cloned and undeleted. */
const before = '20261129210000_tenant_loads';
let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

it('the migrations of auth can be reverted and applied again, and leave what they made', async () => {
  const auth = await fleet.session('auth');
  const files = await fleet.app.services.migrations.auth.read();
  const options = { scope: 'AUTH', schema: 'public', files, lockTimeoutMs: 5_000 } as const;
  const later = files.map(({ name }) => name).filter((name) => name > before);
  expect(later.length).toBeGreaterThan(4);
  const newest = await readSchemaFacts(auth, 'public');
  const reverted = await migrateDatabase(auth, { ...options, down: { kind: 'to', to: before } });
  expect(reverted.applied.at(-1)?.name).toBe(before);
  const older = await readSchemaFacts(auth, 'public');
  await migrateDatabase(auth, options);
  expect(await readSchemaFacts(auth, 'public')).toEqual(newest);
  await migrateDatabase(auth, { ...options, down: { kind: 'to', to: before } });
  expect(await readSchemaFacts(auth, 'public')).toEqual(older);
  await migrateDatabase(auth, options);
  await fleet.createTenants({ acme: 'SCHEMA' });
});
