import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, login, loginText, password, register } from '../support/accounts.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('tenantry user create', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  beforeAll(async () => {
    postgres = await startTestPostgres();
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

  it('asks for the password at a terminal, twice, and does not show it', async () => {
    const { exit, stdout, stderr } = await create(['typed@example.com'], terminal(password, password, ''));
    expect({ exit, stderr }).toEqual({
      exit: 0,
      stderr: 'Password (at least 12 characters): \nThe same again: \n',
    });
    expect(stdout).toBe('typed@example.com may sign in\n');
    expect(await exists('typed@example.com')).toBe(true);
  });

  it('makes nothing when the two passwords differ, or after Ctrl-C', async () => {
    expect(await create(['no@example.com'], terminal(password, `${password}!`, ''))).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('The two passwords differ'),
    });
    expect(await create(['no@example.com'], terminal(password, '\u0003'))).toMatchObject({ exit: 130, stdout: '' });
    expect(await exists('no@example.com')).toBe(false);
  });

  it.each([
    [['short@example.com'], 'short\n', 'at least 12 characters'],
    [['nobody'], password, 'no email address'],
    [['lost@example.com', '--tenant', 'nowhere'], password, 'There is no tenant nowhere'],
    [['BOB@example.com'], password, 'There is an account with the address BOB@example.com already'],
  ])('ends with 1, says why and makes nothing: %j', async (args, secret, message) => {
    expect(await create(args, Readable.from([secret]))).toEqual({
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

  it('lists users oldest first, as a table or as JSON, or those that are searched for', async () => {
    const [ada, bob] = [await register(app, 'ada@example.com'), await register(app, 'bob@example.com')];
    await app.ask(`mutation { setPlatformAdmin(user: "${ada.id}", isPlatformAdmin: true) { id } }`, app.admin);
    await app.ask(`mutation { setUserActive(user: "${bob.id}", active: false) { id } }`, app.admin);
    const lines = (await tenantry('user', 'list')).stdout.split('\n');
    expect(lines[0]).toMatch(/^ID +EMAIL +NAME +ADMIN +ACTIVE +CREATED$/);
    expect(lines[1]).toMatch(new RegExp(`^${ada.id} +ada@example.com +Somebody +yes +yes +\\d{4}-\\d\\d-\\d\\d$`));
    expect(lines[2]).toMatch(new RegExp(`^${bob.id} +bob@example.com +Somebody +no +no +`));
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
