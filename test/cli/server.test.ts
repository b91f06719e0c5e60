import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { tellTalePassword } from '../support/tell-tale-password.ts';

describe('tenantry server', () => {
  const password = tellTalePassword();
  const printed: string[] = [];
  let app: TestApp;
  let second: TestPostgres;
  let url: string;

  const server = async (args: readonly string[], env: Record<string, string> = {}) => {
    const { dataDir } = app.services.config;
    const result = await runCommand(['server', ...args], { NODE_ENV: 'test', DATA_DIR: dataDir, ...env });
    printed.push(result.stdout, result.stderr);
    return result;
  };

  beforeAll(async () => {
    [app, second] = await Promise.all([startTestApp(), startTestPostgres()]);
    url = await second.createRole('owner', password);
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  it('add takes the password from PGPASSWORD, so that nobody sees it on the command line', async () => {
    const bare = url.replace(/:[^:@]*@/, '@');
    expect(bare).not.toContain(password.slice(-10));
    const refused = await server(['add', 'eu', bare], { PGPASSWORD: 'wrong' });
    expect(refused).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'Cannot connect to the server: password authentication failed for user "owner"\n',
    });
    expect(await server(['add', 'eu', bare], { PGPASSWORD: password })).toEqual({
      exit: 0,
      stdout: 'The server eu was added.\n',
      stderr: '',
    });
  });

  it('add takes the password for a URL with several hosts too', async () => {
    const bare = url.replace(/:[^:@]*@/, '@');
    const several = bare.replace('@', '@127.0.0.1:1,');
    expect(await server(['add', 'eu', several], { PGPASSWORD: password })).toMatchObject({ exit: 0 });
    // Without PGPASSWORD.
    expect(JSON.parse((await server(['list', '--json'])).stdout)).toMatchObject([{}, { name: 'eu', answers: true }]);
    expect(await server(['add', 'eu', bare], { PGPASSWORD: password })).toMatchObject({ exit: 0 });
  });

  it('list shows what there is, to people and to programs', async () => {
    const { host, port } = app.services.servers.get('default')?.address ?? {};
    const listed = async () => JSON.parse((await server(['list', '--json'])).stdout);
    // The server's process has just heard of it.
    await eventually('it has a budget there', async () => (await listed())[1].processes === 1);
    const connections = { connections: expect.any(Number), maxConnections: expect.any(Number), connectionBudget: 64 };
    const processes = { reservedConnections: 3, processes: 1, processConnections: 64 };
    const shown = { pooler: null, tenantCount: 0, acceptsTenants: true, answers: true, error: null, nodes: [] };
    const common = { ...connections, ...processes, ...shown };
    expect(await listed()).toEqual([
      { name: 'default', host, port, ...common },
      { name: 'eu', host: '127.0.0.1', port: second.address.port, ...common },
    ]);
    const lines = (await server(['list'])).stdout.split('\n').map((line) => line.split('\t'));
    expect(lines).toEqual([
      [
        'NAME',
        'ADDRESS',
        'POOLER',
        'TENANTS',
        'CONNECTIONS',
        'OF',
        'PROCESSES',
        'MAY OPEN',
        'ACCEPTS TENANTS',
        'STATE',
      ],
      [
        'default',
        `${host}:${port}`,
        '-',
        '0',
        expect.stringMatching(/^\d+$/),
        expect.stringMatching(/^\d+$/),
        '1',
        '64',
        'yes',
        'answers',
      ],
      [
        'eu',
        `127.0.0.1:${second.address.port}`,
        '-',
        '0',
        expect.stringMatching(/^\d+$/),
        expect.stringMatching(/^\d+$/),
        '1',
        '64',
        'yes',
        'answers',
      ],
      [''],
    ]);
  });

  it('update says whether new tenants come to it', async () => {
    expect(await server(['update', 'eu', '--accepts-tenants', 'NO'])).toEqual({
      exit: 0,
      stdout: 'The server eu accepts no new tenants.\n',
      stderr: '',
    });
    const { dataDir } = app.services.config;
    const refused = await runCommand(['tenant', 'create', 'there', '--server', 'eu'], {
      NODE_ENV: 'test',
      DATA_DIR: dataDir,
    });
    expect(refused).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('`tenantry server update eu --accepts-tenants yes`'),
    });
    expect(await server(['update', 'eu', '--accepts-tenants', 'yes'])).toMatchObject({ exit: 0 });
    expect(await server(['update', 'eu'])).toMatchObject({ exit: 2 });
    expect(await server(['update', 'nowhere', '--accepts-tenants', 'no'])).toMatchObject({ exit: 1 });
  });

  it('is shown for tenants, now that there are two', async () => {
    const { dataDir } = app.services.config;
    const tenant = (...args: string[]) => runCommand(['tenant', ...args], { NODE_ENV: 'test', DATA_DIR: dataDir });
    const { stdout } = await tenant('create', 'acme', '--server', 'default');
    expect(stdout).toMatch(/^Created the tenant acme: server default, database /);
    expect((await tenant('list')).stdout).toMatch(/\tSERVER\nacme\t.*\tdefault\n$/);
    await app.services.catalog.use((client) => client.query(`DELETE FROM tenants WHERE slug = 'acme'`));
  });

  it('list says why a server does not answer', async () => {
    await second.stop();
    const { exit, stdout } = await server(['list', '--json']);
    // So does whoever wants to change it.
    const updated = await server(['update', 'eu', '--pooler-url', 'postgres://127.0.0.1:1']);
    await second.restart();
    expect(updated).toEqual({
      exit: 1,
      stdout: '',
      stderr: `Cannot connect to the server: connect ECONNREFUSED 127.0.0.1:${second.address.port}\n`,
    });
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { answers: true },
      { name: 'eu', answers: false, error: `connect ECONNREFUSED 127.0.0.1:${second.address.port}` },
    ]);
  });

  it('add refuses a server that is there already, by whatever address', async () => {
    const { host, port, user, password: first } = app.services.servers.get('default')?.address ?? {};
    const ofDefault = `postgres://${user}:${first}@${host}:${port}/postgres`;
    for (const [name, address, message] of [
      ['us', url.replace('127.0.0.1', 'localhost'), 'This PostgreSQL is already a server under another name\n'],
      ['us', ofDefault, 'This PostgreSQL is already the server default\n'],
      ['default', url, 'The server default comes from the settings: change DATABASE_URL instead\n'],
      ['eu', ofDefault, 'This PostgreSQL is already the server default\n'],
    ] as const) {
      expect(await server(['add', name, address])).toEqual({ exit: 1, stdout: '', stderr: message });
    }
  });

  it('add refuses what cannot hold tenants, and says what is missing', async () => {
    const secret = encodeURIComponent(password);
    const address = `127.0.0.1:${second.address.port}/postgres`;
    for (const [name, wrong, message] of [
      ['Not Good', url, "A server's name must have 1 to 63 characters"],
      ['us', `mysql://owner:${secret}@${address}`, 'must be a URL that starts with postgres://'],
      ['us', `postgres://owner:${secret}@[/x`, 'The URL has colons or brackets in its host'],
      ['us', `postgres://owner:${secret}/@h/x`, 'The URL has / before the @'],
      ['us', `${url}?sslmode=maybe`, 'The URL has the unknown sslmode maybe'],
      ['us', `${url}?sslmode=require`, 'it does not accept TLS, which sslmode in the URL requires'],
      ['us', url.replace(/:[^:@]*@/, '@'), 'it asks for a password, and the URL has none'],
      ['us', `postgres://owner:${secret}@127.0.0.1:1/postgres`, 'Cannot connect to the server: connect ECONNREFUSED'],
      ['us', await second.createRole('no_roles', password, 'CREATEDB'), 'may not create roles'],
      ['us', await second.createRole('no_databases', password, 'CREATEROLE'), 'may not create databases'],
    ] as const) {
      const { exit, stdout, stderr } = await server(['add', name, wrong]);
      expect({ exit, stdout, stderr }).toEqual({ exit: 1, stdout: '', stderr: expect.stringContaining(message) });
    }
  });

  it('remove takes one away, once it has no tenants, and never the first', async () => {
    const { data } = await app.ask(
      'mutation { createTenant(input: { slug: "there", name: "x", isolation: SCHEMA, server: "eu" }) { id } }',
      app.admin,
    );
    expect(data).toBeTruthy();
    for (const [name, message] of [
      ['eu', 'The server eu has 1 tenant, so it cannot be removed. Move or delete them first.'],
      ['default', 'The server default comes from the settings and cannot be removed'],
      ['nowhere', 'There is no server nowhere'],
    ] as const) {
      expect(await server(['remove', name])).toEqual({ exit: 1, stdout: '', stderr: `${message}\n` });
    }
    await app.services.catalog.use((client) => client.query('DELETE FROM tenants'));
    expect(await server(['remove', 'eu'])).toEqual({ exit: 0, stdout: 'The server eu was removed.\n', stderr: '' });
    expect(JSON.parse((await server(['list', '--json'])).stdout)).toMatchObject([{ name: 'default' }]);
  });

  it('add takes no pooler away', async () => {
    expect(await server(['add', 'eu', url, '--pooler-url', 'None'])).toMatchObject({
      exit: 2,
      stdout: '',
      stderr: expect.stringContaining('--pooler-url none is for tenantry server update'),
    });
  });

  it.each([[[]], [['add', 'x']], [['remove']], [['list', '--nonsense']], [['nonsense']]])(
    'ends with 2 when it is used like %j',
    async (args) => {
      expect(await server(args)).toMatchObject({ exit: 2, stdout: '' });
    },
  );

  it('never prints the password', () => {
    expect(printed.join('')).toContain('eu');
    for (const secret of [password, encodeURIComponent(password)]) expect(printed.join('')).not.toContain(secret);
  });
});
