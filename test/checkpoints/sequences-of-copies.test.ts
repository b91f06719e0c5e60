import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneTenant } from '../support/clones.ts';
import { Fleet } from '../support/fleet.ts';

describe('the sequences of a database that is a copy', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.migrations.add(
      '20270101000000_counter',
      'CREATE SEQUENCE counter',
      `SELECT nextval('counter')`,
      'CREATE SEQUENCE unused START 5',
    );
    await fleet.createTenants({ acme: 'DATABASE' });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  /** The last number, and how many more of them PostgreSQL would give without logging them. */
  async function counter(slug: string) {
    const [row] = await fleet.inTenant<{ last: number; unlogged: number }>(
      slug,
      'SELECT last_value::int AS last, log_cnt::int AS unlogged FROM counter',
    );
    return row;
  }

  it('log their next number, so that a crash or a failover does not give it again', async () => {
    expect(await counter('acme')).toEqual({ last: 1, unlogged: 0 });
    await fleet.inTenant('acme', `SELECT nextval('counter')`);
    // Here PostgreSQL has logged them.
    expect(await counter('acme')).toEqual({ last: 2, unlogged: 32 });
    const { createCheckpoint } = await fleet.ask<{ createCheckpoint: { id: string } }>(
      'mutation { createCheckpoint(tenant: "acme") { id } }',
    );
    await cloneTenant(fleet.app, 'acme', 'copy');
    expect(await counter('copy')).toEqual({ last: 2, unlogged: 0 });
    await fleet.ask(`mutation { restoreCheckpoint(id: "${createCheckpoint.id}", acceptDataLoss: true) { id } }`);
    expect(await counter('acme')).toEqual({ last: 2, unlogged: 0 });
    expect(await fleet.inTenant('acme', `SELECT nextval('unused')::int AS first`)).toEqual([{ first: 5 }]);
  });
});
