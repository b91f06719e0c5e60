import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';

// Case 7. Notes of https://www.postgresql.org/docs/current/sql-altertype.html
describe('a value that a migration adds to an enum', () => {
  const slugs = ['own-database', 'own-schema'];
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA' });
    await fleet.migrations.add(
      '20270101000001_tickets',
      `CREATE TYPE ticket_state AS ENUM ('open')`,
      'CREATE TABLE tickets (id int, state ticket_state)',
    );
    await fleet.run();
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const rows = (slug: string) => fleet.inTenant(slug, 'SELECT id, state::text FROM tickets ORDER BY id');

  it('can be used by a later one of the same run, and the plan says that the batch is committed before it', async () => {
    await fleet.migrations.add('20270101000002_void', `ALTER TYPE ticket_state ADD VALUE 'void'`);
    await fleet.migrations.add('20270101000003_use', `INSERT INTO tickets VALUES (1, 'void')`);
    const said = `20270101000003_use may use the value 'void' that 20270101000002_void adds to the enum ticket_state, which has to be committed first`;
    const plan = await fleet.ask<{ migrationPlan: unknown }>('{ migrationPlan { tenants { warnings } } }');
    expect(plan.migrationPlan).toEqual({
      tenants: slugs.map(() => ({ warnings: [`${said}. So the batch is committed before 20270101000003_use.`] })),
    });
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    for (const slug of slugs) expect(await rows(slug)).toEqual([{ id: 1, state: 'void' }]);
  });

  it('is the same in a new tenant, for which all is one transaction', async () => {
    await fleet.createTenants({ 'new-database': 'DATABASE', 'new-schema': 'SCHEMA' });
    for (const slug of ['new-database', 'new-schema']) expect(await rows(slug)).toEqual([{ id: 1, state: 'void' }]);
  });

  it('cannot be used by the same file, which the plan and the error say with the way out', async () => {
    const name = '20270101000004_both';
    await fleet.migrations.add(
      name,
      `ALTER TYPE ticket_state ADD VALUE 'late'`,
      `INSERT INTO tickets VALUES (2, 'late')`,
    );
    const wayOut = 'Move ALTER TYPE … ADD VALUE into a migration of its own, before this one';
    const plan = await fleet.ask<{ migrationPlan: { tenants: { warnings: string[] }[] } }>(
      '{ migrationPlan { tenants { warnings } } }',
    );
    for (const { warnings } of plan.migrationPlan.tenants) expect(warnings).toEqual([expect.stringContaining(wayOut)]);
    for (const { error } of (await fleet.run()).items.nodes) {
      expect(error).toContain(`${name} failed: unsafe use of new value "late" of enum type ticket_state`);
      expect(error).toContain(wayOut);
    }
    // Here the enum is created by the same batch, whose transaction PostgreSQL would let use the value.
    for (const isolation of ['DATABASE', 'SCHEMA'] as const) {
      await expect(fleet.createTenants({ [`late-${isolation.toLowerCase()}`]: isolation })).rejects.toThrow(
        `${name} failed: unsafe use of new value`,
      );
    }
    await fleet.migrations.remove(name);
  });

  it('has to be committed first if the enum is created after a savepoint', async () => {
    await fleet.migrations.add(
      '20270101000005_colors',
      'SAVEPOINT a',
      `CREATE TYPE color AS ENUM ('red'); ALTER TYPE color ADD VALUE 'blue'; CREATE TABLE colors (color color)`,
    );
    await fleet.migrations.add('20270101000006_blue', `INSERT INTO colors VALUES ('blue')`);
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED' });
    await fleet.createTenants({ 'colored-database': 'DATABASE', 'colored-schema': 'SCHEMA' });
    for (const slug of [...slugs, 'colored-database', 'colored-schema']) {
      expect(await fleet.inTenant(slug, 'SELECT color::text FROM colors')).toEqual([{ color: 'blue' }]);
    }
  });

  it('has to be committed first if the value is added after a savepoint', async () => {
    await fleet.migrations.add(
      '20270101000007_sizes',
      `CREATE TYPE size AS ENUM ('small')`,
      'CREATE TABLE sizes (size size)',
    );
    await fleet.migrations.add('20270101000008_large', 'SAVEPOINT a', `ALTER TYPE size ADD VALUE 'large'`);
    await fleet.migrations.add('20270101000009_use', `INSERT INTO sizes VALUES ('large')`);
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED' });
    await fleet.createTenants({ 'sized-database': 'DATABASE', 'sized-schema': 'SCHEMA' });
    for (const slug of [...slugs, 'sized-database', 'sized-schema']) {
      expect(await fleet.inTenant(slug, 'SELECT size::text FROM sizes')).toEqual([{ size: 'large' }]);
    }
  });
});
