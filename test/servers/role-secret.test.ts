import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEncryption } from '../../src/lib/encryption.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('after a change of ROLE_SECRET', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  const isolations = ['DATABASE', 'SCHEMA'];
  const uses = ['em', 'pool', 'crowd'];
  const secret = 'another secret of the tests, also long enough';
  beforeAll(async () => {
    postgres = await startTestPostgres();
    {
      await using before = await startTestApp(postgres.env);
      for (const use of uses) {
        for (const isolation of isolations) {
          await before.ask(
            `mutation { createTenant(input: { slug: "${use}-${isolation.toLowerCase()}", name: "x", isolation: ${isolation} }) { id } }`,
            before.admin,
          );
        }
      }
    }
    app = await startTestApp({ ...postgres.env, ROLE_SECRET: secret });
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const tenant = async (slug: string) => {
    const found = await app.services.directory.byReference(slug);
    if (!found) throw new Error(`no tenant ${slug}`);
    return found;
  };

  it.each(isolations)('requests to a tenant with isolation %s go on', async (isolation) => {
    const slug = `em-${isolation.toLowerCase()}`;
    expect(await app.ask('{ products { totalCount } }', await app.tokenFor(slug))).toEqual({
      data: { products: { totalCount: 0 } },
    });
  });

  it.each(isolations)('statements to a tenant with isolation %s go on', async (isolation) => {
    const slug = `pool-${isolation.toLowerCase()}`;
    const pool = app.services.tenants.pool(await tenant(slug));
    const { rows } = await pool.use((client) => client.query('SELECT count(*)::int AS count FROM products'));
    expect(rows).toEqual([{ count: 0 }]);
  });

  it.each(isolations)('many first requests at once to a tenant with isolation %s go on', async (isolation) => {
    const slug = `crowd-${isolation.toLowerCase()}`;
    await using other = await startTestApp({ ...postgres.env, ROLE_SECRET: secret });
    const answers = await Promise.all(
      [app, other].flatMap((server) =>
        Array.from({ length: 5 }, async () => server.ask('{ products { totalCount } }', await server.tokenFor(slug))),
      ),
    );
    expect(answers).toEqual(Array(10).fill({ data: { products: { totalCount: 0 } } }));
  });

  it('an added server, whose URL cannot be decrypted, gets no pooler, and the error says why', async () => {
    const { catalog, servers } = app.services;
    const stored = createEncryption('the secret of before, also long enough', 'servers.url').encrypt(
      'postgres://u@h',
      'eu',
    );
    await catalog.use((client) => client.query(`INSERT INTO servers (name, url) VALUES ('eu', $1)`, [stored]));
    await expect(servers.update('eu', { poolerUrl: 'postgres://pooler' })).rejects.toMatchObject({
      code: 'CONFLICT',
      message:
        'The URL of the server eu cannot be decrypted, because it was stored with another ROLE_SECRET. Store it again: tenantry server add eu URL',
    });
  });

  it('a role can be renewed by many at once', async () => {
    const { provisioner } = await app.services.servers.find('default');
    const found = await tenant('em-database');
    const renewals = Array.from({ length: 8 }, () => provisioner.renewRole(found));
    await expect(Promise.all(renewals)).resolves.toHaveLength(8);
  });
});
