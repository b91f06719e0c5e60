import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecentFindings } from '../../src/doctor/recent-findings.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('the query doctor', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  const ask = () => app.ask('{ doctor { message remedy fixable } }', app.admin);

  it('returns what tenantry doctor finds, for a minute without another search', async () => {
    const { errors } = await app.ask(
      'mutation { createTenant(input: { slug: "lost", name: "x", isolation: SCHEMA }) { id } }',
      app.admin,
    );
    expect(errors).toBeUndefined();
    const [tenant] = (
      await app.services.catalog.use((client) =>
        client.query(`SELECT database, schema FROM tenants WHERE slug = 'lost'`),
      )
    ).rows;
    const server = app.services.servers.get('default') ?? expect.unreachable();
    await server.owner(tenant.database, (client) => client.query(`DROP SCHEMA ${tenant.schema} CASCADE`));
    const found = {
      message: `The schema ${tenant.schema} of the tenant lost is missing on the server default`,
      remedy: 'Restore it from a backup under this name',
      fixable: false,
    };
    expect((await ask()).data).toEqual({ doctor: [found] });
    await server.owner(tenant.database, (client) => client.query(`CREATE SCHEMA ${tenant.schema}`));
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(answers.map(({ data }) => data)).toEqual(Array(20).fill({ doctor: [found] }));
  });

  it('searches once for callers who ask at the same time, and again after a failure', async () => {
    let searches = 0;
    const recent = new RecentFindings(async () => {
      searches += 1;
      if (searches === 1) throw new Error('no');
      return [];
    });
    await expect(Promise.all([recent.read(), recent.read()])).rejects.toThrow('no');
    expect(searches).toBe(1);
    await Promise.all([recent.read(), recent.read(), recent.read()]);
    expect(await recent.read()).toEqual([]);
    expect(searches).toBe(2);
  });
});
