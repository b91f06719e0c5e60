import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { codeOf, login, loginText, password, register } from '../support/accounts.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('tenantry user create', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    app = await startTestApp({ ...postgres.env, DEFAULT_ISOLATION: 'schema' });
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const create = (args: string[], stdin: NodeJS.ReadableStream = Readable.from([`${password}\n`])) =>
    runCommand(['user', 'create', ...args], postgres.env, undefined, stdin);
  const viewer = async (email: string) => {
    const text = '{ viewer { isPlatformAdmin role tenant { slug } user { name } } }';
    return (await app.ask(text, (await login(app, email)).headers)).data?.viewer;
  };
  const exists = async (email: string) => codeOf(await app.ask(loginText(email))) === undefined;

  /** A terminal, at which these lines are typed. */
  function terminal(...lines: string[]) {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    stdin.write(lines.join('\r'));
    return stdin;
  }

  it('makes a platform admin, with the password from standard input', async () => {
    expect(await create(['root@example.com', '--admin', '--name', 'Root'])).toEqual({
      exit: 0,
      stdout: 'root@example.com may sign in, a platform admin\n',
      stderr: '',
    });
    expect(await viewer('root@example.com')).toEqual({
      isPlatformAdmin: true,
      role: null,
      tenant: null,
      user: { name: 'Root' },
    });
  });

  it('makes a member of a tenant', async () => {
    expect(await create(['bob@example.com', '--tenant', 'acme', '--role', 'OWNER'])).toMatchObject({
      exit: 0,
      stdout: 'bob@example.com may sign in, OWNER of acme\n',
    });
    expect(await viewer('bob@example.com')).toEqual({
      isPlatformAdmin: false,
      role: 'OWNER',
      tenant: { slug: 'acme' },
      user: { name: 'bob' },
    });
  });

  it('takes the id of a tenant for its slug', async () => {
    const tenant = await app.services.directory.byReference('acme');
    const { exit } = await create(['eve@example.com', '--tenant', tenant?.id ?? '']);
    expect(exit).toBe(0);
    expect(await viewer('eve@example.com')).toMatchObject({ role: 'MEMBER', tenant: { slug: 'acme' } });
  });

  it('asks for the password at a terminal, twice, and does not show it', async () => {
    const { exit, stdout, stderr } = await create(['typed@example.com'], terminal(password, password, ''));
    expect({ exit, stderr }).toEqual({
      exit: 0,
      stderr: 'Password (at least 12 characters): \nRepeat the password: \n',
    });
    expect(stdout).toBe('typed@example.com may sign in\n');
    expect(await exists('typed@example.com')).toBe(true);
  });

  it('makes nothing when the two passwords differ, or after Ctrl-C', async () => {
    expect(await create(['no@example.com'], terminal(password, `${password}!`, ''))).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('The passwords do not match'),
    });
    expect(await create(['no@example.com'], terminal(password, '\u0003'))).toMatchObject({ exit: 130, stdout: '' });
    expect(await exists('no@example.com')).toBe(false);
  });

  it.each([
    [['short@example.com'], 'short\n', 'at least 12 characters'],
    [['nobody'], password, 'not a valid email address'],
    [['lost@example.com', '--tenant', 'nowhere'], password, 'There is no tenant nowhere'],
    [['BOB@example.com'], password, 'An account with the address BOB@example.com already exists'],
  ])('ends with 1, says why and makes nothing: %j', async (args, secret, message) => {
    expect(await create(args, Readable.from([secret]))).toEqual({
      exit: 1,
      stdout: '',
      stderr: expect.stringContaining(message),
    });
  });

  it('shows statements with --verbose, and no values, of which some are hashes of passwords', async () => {
    const { exit, stderr } = await create(['verbose@example.com', '--tenant', 'acme', '--verbose']);
    expect(exit).toBe(0);
    expect(stderr).toContain(`\\"slug\\" = '…'`);
    expect(stderr).not.toContain('acme');
    expect(stderr).not.toContain('argon2id');
  });

  it.each([
    [['root@example.com', '--admin'], 'true', 'tenantry user update <user> --admin'],
    [['bob@example.com'], 'false', 'LINK_BY_EMAIL'],
  ])('makes no account that nobody could sign in to: %j', async (args, LINK_BY_EMAIL, message) => {
    const JWT_JWKS_URL = 'http://127.0.0.1:1/jwks.json';
    const only = { JWT_SECRET: '', JWT_JWKS_URL, JWT_ISSUER: 'https://id.example.com/', LINK_BY_EMAIL };
    const env = { ...postgres.env, ...only };
    // The terminal is not asked for a password.
    expect(await runCommand(['user', 'create', ...args], env, undefined, terminal())).toEqual({
      exit: 1,
      stdout: '',
      stderr: expect.stringContaining(message),
    });
  });

  it('says what is wrong with its arguments', async () => {
    expect(await create([])).toMatchObject({ exit: 2, stderr: expect.stringContaining('email') });
    expect(await create(['a@example.com', '--role', 'OWNER'])).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('--role needs --tenant'),
    });
  });
});

describe('tenantry user update', () => {
  let app: TestApp;
  let tenantry: ReturnType<typeof commandsOf>;
  beforeAll(async () => {
    app = await startTestApp();
    tenantry = commandsOf(app);
  });
  afterAll(() => app[Symbol.asyncDispose]());

  it('makes a user a platform admin and one no more, by the address or the id, at once for a server that runs', async () => {
    const ada = await register(app, 'ada@example.com');
    const isAdmin = async (expected: boolean) => {
      const { data } = await app.ask('{ viewer { isPlatformAdmin } }', ada.headers);
      expect(data).toEqual({ viewer: { isPlatformAdmin: expected } });
    };
    expect(await tenantry('user', 'update', 'ADA@example.com', '--admin')).toEqual({
      exit: 0,
      stdout: 'The user ada@example.com is a platform admin and may sign in.\n',
      stderr: '',
    });
    await vi.waitFor(() => isAdmin(true));
    expect((await tenantry('user', 'update', ada.id, '--no-admin')).stdout).toContain(
      'not a platform admin and may sign in',
    );
    await vi.waitFor(() => isAdmin(false));
  });

  it('keeps a user out, ends the sessions, and lets in again', async () => {
    const bob = await register(app, 'bob@example.com');
    expect((await tenantry('user', 'update', bob.email, '--no-active')).stdout).toContain('may not sign in');
    const code = async () => codeOf(await app.ask('{ viewer { role } }', bob.headers));
    await vi.waitFor(async () => expect(await code()).toBe('UNAUTHENTICATED'));
    expect(codeOf(await app.ask(loginText(bob.email)))).toBe('UNAUTHENTICATED');
    await tenantry('user', 'update', bob.email, '--active');
    expect(codeOf(await app.ask(loginText(bob.email)))).toBeUndefined();
  });

  it('is in the audit log', async () => {
    await tenantry('user', 'update', 'nobody@example.com', '--admin');
    const text = '{ auditLog(first: 1, filter: { action: "tenantry user update" }) { nodes { outcome details } } }';
    const details = '{"user":"nobody@example.com","admin":true}';
    const auditLog = { nodes: [{ outcome: 'NOT_FOUND', details }] };
    expect((await app.ask(text, app.admin)).data).toEqual({ auditLog });
  });

  it('says what is wrong with its arguments', async () => {
    expect(await tenantry('user', 'update', 'ada@example.com')).toMatchObject({ exit: 2 });
    expect(await tenantry('user', 'update', 'nobody@example.com', '--admin')).toMatchObject({
      exit: 1,
      stderr: 'There is no user nobody@example.com\n',
    });
  });
});

describe('tenantry user list', () => {
  let app: TestApp;
  let tenantry: ReturnType<typeof commandsOf>;
  beforeAll(async () => {
    app = await startTestApp();
    tenantry = commandsOf(app);
  });
  afterAll(() => app[Symbol.asyncDispose]());

  it('says on standard error that there are none', async () => {
    expect(await tenantry('user', 'list')).toEqual({ exit: 0, stdout: '', stderr: 'There are no such users.\n' });
    expect((await tenantry('user', 'list', '--json')).stdout).toBe('[]\n');
  });

  it('lists users oldest first, in lines or as JSON, or those that are searched for', async () => {
    const [ada, bob] = [await register(app, 'ada@example.com'), await register(app, 'bob@example.com')];
    await app.ask(`mutation { setPlatformAdmin(user: "${ada.id}", isPlatformAdmin: true) { id } }`, app.admin);
    await app.ask(`mutation { setUserActive(user: "${bob.id}", active: false) { id } }`, app.admin);
    const lines = (await tenantry('user', 'list')).stdout.split('\n');
    expect(lines[0]).toMatch(/^ID\tEMAIL\tNAME\tADMIN\tACTIVE\tCREATED$/);
    expect(lines[1]).toMatch(new RegExp(`^${ada.id}\\tada@example.com\\tSomebody\\tyes\\tyes\\t\\d{4}-\\d\\d-\\d\\d$`));
    expect(lines[2]).toMatch(new RegExp(`^${bob.id}\\tbob@example.com\\tSomebody\\tno\\tno\\t`));
    expect(JSON.parse((await tenantry('user', 'list', '--search', 'BOB', '--json')).stdout)).toEqual([
      {
        id: bob.id,
        email: 'bob@example.com',
        name: 'Somebody',
        isPlatformAdmin: false,
        active: false,
        createdAt: expect.any(String),
      },
    ]);
  });
});
