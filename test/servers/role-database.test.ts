import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe.each([
  ['SCHEMA', 'shared', 'postgres'],
  ['DATABASE', 'postgres', 'shared'],
] as const)('the role of a tenant with isolation %s', (isolation, database, other) => {
  let app: TestApp;
  let tenant: Tenant;
  const clients: pg.Client[] = [];
  const lockedIn = async (name: string): Promise<pg.Client> => {
    const { server } = await app.services.servers.find('default');
    const client = new pg.Client(server.connectionTo({ database: name }));
    clients.push(client);
    await client.connect();
    await client.query(`SELECT pg_advisory_lock(${lockKind.placement}, hashtext($1))`, [tenant.key]);
    return client;
  };

  beforeAll(async () => {
    app = await startTestApp();
    const create = `mutation { createTenant(input: { slug: "acme", name: "x", isolation: ${isolation} }) { status } }`;
    expect((await app.ask(create, app.admin)).errors).toBeUndefined();
    tenant = await app.services.catalog.fork().findOneOrFail(Tenant, { slug: 'acme' });
  });
  afterAll(async () => {
    for (const client of clients) await client.end();
    await app[Symbol.asyncDispose]();
  });

  it(`is changed in the database ${database}, where others who change it wait`, async () => {
    const { provisioner } = await app.services.servers.find('default');
    const elsewhere = await lockedIn(other);
    await provisioner.renewRole(tenant);
    const client = await lockedIn(database);
    let isDone = false;
    const renewed = provisioner.renewRole(tenant).then(() => {
      isDone = true;
    });
    await vi.waitFor(async () => {
      const { rows } = await client.query<{ database: string }>(
        `SELECT datname AS database FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'`,
      );
      expect(rows).toEqual([{ database }]);
    });
    expect(isDone).toBe(false);
    await client.query('SELECT pg_advisory_unlock_all()');
    await renewed;
    await elsewhere.query('SELECT pg_advisory_unlock_all()');
  });

  it(`gets its limits back in the database ${database}, unless somebody changes it there`, async () => {
    const { provisioner } = await app.services.servers.find('default');
    const elsewhere = await lockedIn(other);
    const client = await lockedIn(database);
    const role = `tenant_${tenant.key}`;
    const limit = async () => {
      const { rows } = await client.query('SELECT rolconnlimit AS limit FROM pg_roles WHERE rolname = $1', [role]);
      return rows[0]?.limit;
    };
    await client.query(`ALTER ROLE "${role}" CONNECTION LIMIT 99`);
    await provisioner.prepare();
    expect(await limit()).toBe(99);
    await client.query('SELECT pg_advisory_unlock_all()');
    await provisioner.prepare();
    expect(await limit()).toBe(app.services.config.connections.tenantBounds.connectionLimit);
    await elsewhere.query('SELECT pg_advisory_unlock_all()');
  });
});
