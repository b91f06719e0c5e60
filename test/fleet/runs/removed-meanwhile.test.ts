import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockKind } from '../../../src/postgres/sql/advisory-lock.ts';
import { eventually } from '../../support/eventually.ts';
import { Fleet, statusesOf } from '../../support/fleet.ts';

describe('a tenant that is removed for good while a run starts', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ stays: 'SCHEMA', goes: 'SCHEMA', 'goes-later': 'SCHEMA' });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const purge = (slug: string) =>
    fleet.ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { slug } }`);
  const waiting = (mode: string) =>
    eventually('somebody waits for the lock', async () => {
      const sql = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND mode = $2 AND NOT granted`;
      return (await fleet.inCatalog(sql, [lockKind.items, mode])).length === 1;
    });

  it('waits until the items of the run are there, and leaves none with a tenant that does not exist', async () => {
    const run = await fleet.startRun('tenants: ["stays"]');
    await fleet.events(run);
    const { id } = await fleet.tenant('goes');
    // As the start of a run does, of which nobody sees anything yet.
    const session = await fleet.session('auth');
    await session.query('BEGIN');
    await session.query(`SELECT pg_advisory_xact_lock_shared(${lockKind.items}, 0)`);
    await session.query(
      `INSERT INTO migration_run_items (run_id, position, tenant_id, status, ended_at, wave) VALUES ($1, 9, $2, 'SKIPPED', now(), 1)`,
      [run, id],
    );
    const removed = purge('goes');
    await waiting('ExclusiveLock');
    await session.query('COMMIT');
    expect(await removed).toEqual({ deleteTenant: { slug: 'goes' } });
    const sql = 'SELECT tenant_id, deleted_tenant FROM migration_run_items WHERE run_id = $1 AND position = 9';
    expect(await fleet.inCatalog(sql, [run])).toEqual([{ tenant_id: null, deleted_tenant: 'goes' }]);
    expect(statusesOf(await fleet.runNow(run))).toEqual({ stays: 'SKIPPED' });
  });

  it('is left out, and not waited for, once its removal has begun', async () => {
    const session = await fleet.session('auth');
    // As a removal whose process hangs.
    await session.query(`UPDATE tenants SET status = 'DELETING' WHERE slug = 'goes-later'`);
    await session.query(`BEGIN; DELETE FROM tenants WHERE slug = 'goes-later'`);
    expect(statusesOf(await fleet.run())).toEqual({ stays: 'SKIPPED' });
    await fleet.createTenants({ other: 'SCHEMA' });
    expect(await purge('other')).toEqual({ deleteTenant: { slug: 'other' } });
    await session.query('COMMIT');
  });
});
