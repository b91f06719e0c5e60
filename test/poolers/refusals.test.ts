import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { durableSequences } from '../support/postgres-settings.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp } from '../support/start-app.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants } from '../support/tenants.ts';

describe.runIf(hasPgBouncer)(`a pooler where none should be, or another${whyNoPgBouncer}`, () => {
  let postgres: TestPostgres;
  let other: TestPostgres;
  let pooler: PgBouncer;
  beforeAll(async () => {
    [postgres, other] = await Promise.all([startTestPostgres(durableSequences), startTestPostgres()]);
    pooler = await startPgBouncer(postgres);
  });
  afterAll(async () => {
    await pooler?.[Symbol.asyncDispose]();
    await other?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  const isSaid = 'leads to a connection pooler, such as PgBouncer';
  const whatToDo = 'set it to PostgreSQL itself, and DATABASE_POOLER_URL to the pooler';
  const databases = (server: TestPostgres) => server.rows('SELECT datname FROM pg_database ORDER BY 1');
  const roles = (server: TestPostgres) => server.rows('SELECT rolname FROM pg_roles ORDER BY 1');
  const command = (argv: readonly string[], env: Record<string, string>) =>
    runCommand(argv, { NODE_ENV: 'test', ...env });

  it('in DATABASE_URL is told at the first start, and nothing is made', async () => {
    const before = [await databases(postgres), await roles(postgres)];
    await using careless = await startPgBouncer(postgres, { settings: { ignore_startup_parameters: 'options' } });
    const urls = [
      { DATABASE_URL: pooler.url, named: 'DATABASE_URL', reason: 'unsupported startup parameter.*' },
      { DATABASE_URL: careless.url, named: 'DATABASE_URL', reason: 'the settings of the connection do not arrive' },
      {
        ADMIN_DATABASE_URL: pooler.url,
        named: 'ADMIN_DATABASE_URL',
        reason: 'unsupported startup parameter.*',
      },
      {
        DATABASE_URL: careless.url,
        ADMIN_DATABASE_URL: postgres.env.DATABASE_URL,
        named: 'DATABASE_URL',
        reason: 'the settings of the connection do not arrive',
      },
    ];
    for (const { named, reason, ...env } of urls) {
      const start = startTestApp({ ...postgres.env, ...env });
      const sentence = `  - ${named} ${isSaid} \\(${reason}\\): ${whatToDo}`;
      await expect(start).rejects.toThrow(new RegExp(`^The settings are invalid:\n${sentence}\n`));
      const { exit, stdout, stderr } = await command(['setup'], { ...postgres.env, ...env });
      expect({ exit, stderr }).toEqual({ exit: 1, stderr: expect.stringContaining(`${named} ${isSaid}`) });
      expect(stdout).not.toContain('Next steps');
    }
    expect([await databases(postgres), await roles(postgres)]).toEqual(before);
  });

  it('that logs in as another role, or leads to another server, serves nobody, and doctor says so', async () => {
    await postgres.createRole('everybody', 'secret', 'SUPERUSER');
    // With passwords, PgBouncer 1.18 logs in with those of the clients then.
    const any = { database: 'user=everybody password=secret', settings: { auth_type: 'any' } };
    await using forced = await startPgBouncer(postgres, any);
    await using elsewhere = await startPgBouncer(other);
    const env = { ...postgres.env, CONNECTION_WAIT_MS: '500' };
    await using app = await startTestApp({ ...env, DATABASE_POOLER_URL: forced.url });
    const tenants = await createTenants(app, ['DATABASE', 'SCHEMA']);
    for (const { member } of tenants) {
      const { data, errors } = await app.ask('{ products { totalCount } }', member);
      expect({ data, errors }).toMatchObject({
        data: null,
        errors: [{ extensions: { code: 'SERVER_BUSY' } }],
      });
    }
    const found = async (url: string) => (await command(['doctor'], { ...env, DATABASE_POOLER_URL: url })).stdout;
    const cannot = 'Requests to tenants on the server default cannot go through its connection pooler';
    expect(await found(forced.url)).toContain(`${cannot}: its sessions have another role`);
    expect(await found(elsewhere.url)).toMatch(new RegExp(`${cannot}: .* or it leads to another PostgreSQL server`));
    expect(await found('postgres://127.0.0.1:1')).toContain(`${cannot}: connect ECONNREFUSED 127.0.0.1:1\n`);
    const good = await found(pooler.url);
    expect(good).toContain('All is well');
    expect(await roles(postgres)).not.toContainEqual({ rolname: expect.stringContaining('pooler') });
  });

  it('of an added server is checked, stored, shown, used and removed', async () => {
    const { DATABASE_URL: url } = other.env;
    const env = { ...postgres.env };
    await using app = await startTestApp(env);
    const server = (...argv: string[]) => command(['server', ...argv], env);
    expect(await server('add', 'eu', pooler.url)).toMatchObject({
      exit: 1,
      stderr: expect.stringMatching(
        new RegExp(`The URL ${isSaid} \\(unsupported startup parameter.*\\); use that of PostgreSQL itself`),
      ),
    });
    expect(await server('add', 'eu', url, '--pooler-url', pooler.url)).toMatchObject({
      exit: 1,
      stderr: expect.stringMatching(
        /^The pooler cannot be used: the login of a tenant's role fails \(.+\), or it leads to another PostgreSQL server\n$/,
      ),
    });
    await using theirs = await startPgBouncer(other);
    expect(await server('add', 'eu', url, '--pooler-url', theirs.url)).toMatchObject({ exit: 0 });
    const shown = async () => {
      const { data } = await app.ask('{ servers { name pooler } }', app.admin);
      return data?.servers;
    };
    const [none, its] = [{ name: 'default', pooler: null }, `127.0.0.1:${theirs.port}`];
    expect(await shown()).toEqual([none, { name: 'eu', pooler: its }]);
    const create = 'createTenant(input: { slug: "there", name: "x", isolation: SCHEMA, server: "eu" }) { id }';
    expect(await app.ask(`mutation { ${create} }`, app.admin)).not.toHaveProperty('errors');
    const ask = async () => app.ask('{ products { totalCount } }', await app.tokenFor('there'));
    const answer = { data: { products: { totalCount: 0 } } };
    const clients = async () =>
      (await theirs.console('SHOW CLIENTS')).filter(({ user }) => String(user).startsWith('tenant_')).length;
    expect(await ask()).toEqual(answer);
    expect(await clients()).toBe(1);
    // A new password of the server leaves the pooler as it is.
    expect(await server('add', 'eu', url)).toMatchObject({ exit: 0 });
    expect(await shown()).toEqual([none, { name: 'eu', pooler: its }]);
    const stored = await postgres.rows<{ url: string }>('SELECT pooler_url AS url FROM servers', [], 'auth');
    expect(JSON.stringify(stored)).not.toContain(other.address.password);
    expect(await server('update', 'eu', '--pooler-url', 'none')).toEqual({
      exit: 0,
      stdout: 'Requests to tenants on the server eu connect directly.\n',
      stderr: '',
    });
    await expect.poll(shown).toEqual([none, { name: 'eu', pooler: null }]);
    expect(await ask()).toEqual(answer);
    expect(await server('update', 'eu', '--pooler-url', pooler.url)).toMatchObject({ exit: 1 });
    expect(await server('update', 'default', '--pooler-url', pooler.url)).toMatchObject({
      exit: 1,
      stderr: 'The server default comes from the settings: change DATABASE_POOLER_URL instead\n',
    });
    expect(await server('update', 'eu', '--pooler-url', theirs.url)).toMatchObject({ exit: 0 });
    await expect.poll(shown).toEqual([none, { name: 'eu', pooler: its }]);
  });
});
