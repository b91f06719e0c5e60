import { expect, it } from 'vitest';
import { checkMigrations } from '../../src/migrator/authoring/check.ts';
import { startTestApp } from '../support/start-app.ts';

it('the migrations of the modules create what their entities declare, and can be reverted and applied again', async () => {
  await using app = await startTestApp();
  const { servers, migrations, tables, config } = app.services;
  const server = servers.get('default') ?? expect.unreachable('there is no server');
  const lines = [{ folder: migrations.tenant, common: migrations.common, tables: tables.TENANT }];
  const { lockTimeoutMs } = config.migrations;
  expect(await checkMigrations({ server, authDatabase: config.databases.auth, lines, lockTimeoutMs })).toEqual([]);

  for (const isolation of ['DATABASE', 'SCHEMA']) {
    const input = `{ slug: "${isolation.toLowerCase()}", name: "x", isolation: ${isolation} }`;
    await app.ask(`mutation { createTenant(input: ${input}) { id } }`, app.admin);
  }
  const { length: steps } = await migrations.tenant.read();
  const run = 'status succeeded';
  expect(
    await app.ask(`mutation { rollbackMigrations(input: { steps: ${steps}, wait: true }) { ${run} } }`, app.admin),
  ).toEqual({ data: { rollbackMigrations: { status: 'SUCCEEDED', succeeded: 2 } } });
  const bare = await app.ask('{ tenants { nodes { version drift { sql } } } }', app.admin);
  expect(JSON.stringify(bare.data)).toMatch(/create table .*\broles\b/i);
  expect(await app.ask(`mutation { runMigrations(input: { wait: true }) { ${run} } }`, app.admin)).toEqual({
    data: { runMigrations: { status: 'SUCCEEDED', succeeded: 2 } },
  });
  const clean = await app.ask('{ tenants { nodes { drift { sql } } } }', app.admin);
  expect(clean.data?.tenants).toEqual({ nodes: [{ drift: { sql: [] } }, { drift: { sql: [] } }] });
  const { data } = await app.ask('{ viewer { permissions } roles { totalCount } }', {
    ...app.admin,
    'x-tenant': 'schema',
  });
  expect(data).toMatchObject({
    viewer: { permissions: expect.arrayContaining(['roles:write']) },
    roles: { totalCount: 3 },
  });
});
