import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEncryption } from '../../src/lib/encryption.ts';
import { settling } from '../support/backends.ts';
import { captureLog } from '../support/log-lines.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';
import { startInstalledPostgres, startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startInstalledPostgres();
});
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
});

const command = (argv: readonly string[], more: Record<string, string> = {}) =>
  runCommand(argv, { NODE_ENV: 'test', ...postgres.env, ...more });
const doctor = (more: Record<string, string>) => command(['doctor'], more);

it('doctor says that there is no pooler where PostgreSQL itself answers', async () => {
  const { host, port } = postgres.address;
  const { exit, stdout } = await doctor({ DATABASE_POOLER_URL: postgres.env.DATABASE_URL });
  expect({ exit, stdout }).toEqual({
    exit: 0,
    stdout: expect.stringContaining(
      `! PostgreSQL itself answers at ${host}:${port}, where the pooler of the server default should be`,
    ),
  });
});

it('doctor waits five seconds for a pooler that answers no login', async () => {
  await using silent = createServer((socket) => {
    socket.on('error', () => undefined);
    // It has no TLS, and nothing else to say.
    socket.once('data', () => socket.write('N'));
  });
  const port = await new Promise<number>((resolve) => {
    silent.listen(0, '127.0.0.1', () => resolve(Object(silent.address()).port));
  });
  const { exit, stdout } = await doctor({ DATABASE_POOLER_URL: `postgres://127.0.0.1:${port}` });
  expect({ exit, stdout }).toEqual({
    exit: 1,
    stdout: expect.stringContaining(
      "cannot go through its connection pooler: the login of a tenant's role fails (timeout expired), or it leads",
    ),
  });
});

describe.runIf(hasPgBouncer)(`doctor tells of a pooler${whyNoPgBouncer}`, () => {
  it.each([
    ['in transaction mode', {}, ', in transaction mode'],
    ['in transaction mode with one session', { default_pool_size: '1' }, ', in transaction mode'],
    ['in session mode', { pool_mode: 'session' }, ', in session mode'],
    ['in session mode with one session', { pool_mode: 'session', default_pool_size: '1' }, ''],
  ])('that works, and its mode: %s', async (_, settings, mode) => {
    await using pooler = await startPgBouncer(postgres, { settings });
    expect(await doctor({ DATABASE_POOLER_URL: pooler.url })).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining(
        `✓ The pooler of the server default answers at 127.0.0.1:${pooler.port}${mode}\n`,
      ),
    });
  });

  it('that cannot be used, and what to do', async () => {
    await using pooler = await startPgBouncer(postgres, { settings: { pool_mode: 'statement' } });
    const { exit, stdout } = await doctor({ DATABASE_POOLER_URL: pooler.url });
    expect(exit).toBe(1);
    expect(stdout).toMatch(
      /✗ Requests to tenants on the server default cannot go through its connection pooler: .*\n {4}Start the pooler .* correct .*DATABASE_POOLER_URL/,
    );
    expect(stdout).not.toContain('answers at');
  });

  it('where PostgreSQL itself should be, with the setting to change', async () => {
    await using pooler = await startPgBouncer(postgres);
    const leads = 'leads to a connection pooler, such as PgBouncer \\(unsupported startup parameter.*\\)';
    const expectTold = async (name: string, settings: Record<string, string>) => {
      const { exit, stdout } = await doctor(settings);
      const remedy = `Set ${name} to PostgreSQL itself, and DATABASE_POOLER_URL to the pooler`;
      expect({ exit, stdout }).toEqual({
        exit: 1,
        stdout: expect.stringMatching(new RegExp(`✗ ${name} ${leads}\n    ${remedy}\n`)),
      });
      expect(stdout).not.toContain('--pooler-url');
    };
    await expectTold('DATABASE_URL', { DATABASE_URL: pooler.url });
    await expectTold('ADMIN_DATABASE_URL', { ADMIN_DATABASE_URL: pooler.url });
    await expectTold('DATABASE_URL', { DATABASE_URL: pooler.url, ADMIN_DATABASE_URL: postgres.env.DATABASE_URL });
  });

  it('where an added server should be, with the command to change that', async () => {
    await using other = await startTestPostgres();
    await using pooler = await startPgBouncer(other);
    await using app = await startTestApp(postgres.env);
    expect(await command(['server', 'add', 'eu', other.env.DATABASE_URL])).toMatchObject({ exit: 0 });
    // Somebody has put the pooler where PostgreSQL was.
    const url = createEncryption(postgres.env.ROLE_SECRET, 'servers.url').encrypt(pooler.url, 'eu');
    await postgres.rows(`UPDATE servers SET url = $1 WHERE name = 'eu'`, [url], 'auth');
    const message = /The URL of the server eu leads to a connection pooler, such as PgBouncer \(unsupported/;
    const remedy = 'Store the URL of PostgreSQL itself: tenantry server add eu URL --pooler-url URL-OF-THE-POOLER';
    const { exit, stdout } = await doctor({});
    expect({ exit, stdout }).toEqual({ exit: 1, stdout: expect.stringMatching(message) });
    expect(stdout).toContain(remedy);
    await app.services.servers.refresh();
    const { data } = await app.ask('{ doctor { message remedy fixable } }', app.admin);
    expect(data).toEqual({ doctor: [{ message: expect.stringMatching(message), remedy, fixable: false }] });
    expect(await command(['server', 'remove', 'eu'])).toMatchObject({ exit: 0 });
  });
});

describe.runIf(hasPgBouncer)(`a pooler that tenants' requests cannot go through${whyNoPgBouncer}`, () => {
  const cannot = "tenants' requests cannot go through the connection pooler";
  const can = "tenants' requests can go through the connection pooler now";

  const linesOf = (text: string, part: string): Record<string, unknown>[] =>
    text.split('\n').flatMap((line) => (line.includes(part) ? [JSON.parse(line)] : []));
  const listed = async (settings: Record<string, string>) => {
    const { stdout } = await command(['server', 'list', '--json'], settings);
    return JSON.parse(stdout);
  };
  const poolerIn = async (app: TestApp) => {
    const { data } = await app.ask('{ health { status databases { name ok error } } }', app.admin);
    // The query asks for these fields.
    const health = data?.health as { status: string; databases: { name: string }[] };
    const found = health.databases.find(({ name }) => name === 'the connection pooler');
    return { status: health.status, ...found };
  };
  /** Waits until the process has warned of the pooler once, and gives the warning. */
  const warned = (text: () => string) =>
    vi.waitFor(() => {
      const lines = linesOf(text(), cannot);
      expect(lines).toHaveLength(1);
      return lines[0];
    }, settling);

  it('because it does not answer is told at the start, marked, and told again when it answers', async () => {
    await using pooler = await startPgBouncer(postgres);
    await pooler.stop();
    const settings = { DATABASE_POOLER_URL: pooler.url };
    const refused = `connect ECONNREFUSED 127.0.0.1:${pooler.port}`;
    const { log, text } = captureLog();
    await using app = await startTestApp({ ...postgres.env, ...settings }, { log });
    expect(await warned(text)).toMatchObject({
      level: 40,
      server: 'default',
      reason: refused,
      msg: expect.stringContaining('DATABASE_POOLER_URL'),
    });
    expect(await listed(settings)).toMatchObject([
      { answers: true, pooler: `127.0.0.1:${pooler.port}`, error: `its pooler cannot be used: ${refused}` },
    ]);
    expect((await command(['server', 'list'], settings)).stdout).toContain(`its pooler cannot be used: ${refused}`);
    expect((await command(['status'], settings)).stdout).toContain('its pooler cannot be used');
    expect(await poolerIn(app)).toMatchObject({ status: 'DEGRADED', ok: false, error: 'unreachable' });
    expect(text()).not.toContain(can);
    await pooler.start();
    await vi.waitFor(() => expect(linesOf(text(), can)).toMatchObject([{ level: 30, server: 'default' }]), settling);
    expect(linesOf(text(), cannot)).toHaveLength(1);
    expect(await listed(settings)).toMatchObject([{ answers: true, error: null }]);
    await expect.poll(() => poolerIn(app), settling).toMatchObject({ status: 'OK', ok: true, error: null });
  });

  it('although it answers is told at the start, and marked', async () => {
    await postgres.createRole('everybody', 'secret', 'SUPERUSER');
    // With passwords, PgBouncer 1.18 logs in with those of the clients then.
    const forced = { database: 'user=everybody password=secret', settings: { auth_type: 'any' } };
    await using pooler: PgBouncer = await startPgBouncer(postgres, forced);
    const settings = { DATABASE_POOLER_URL: pooler.url };
    const { log, text } = captureLog();
    await using app = await startTestApp({ ...postgres.env, ...settings }, { log });
    const reason = expect.stringContaining('its sessions have another role');
    expect(await warned(text)).toMatchObject({ level: 40, server: 'default', reason });
    const error = expect.stringContaining('its pooler cannot be used: its sessions have another role');
    expect(await listed(settings)).toMatchObject([{ answers: true, error }]);
    const state = { status: 'DEGRADED', ok: false, error: 'cannot be used; the log says why' };
    expect(await poolerIn(app)).toMatchObject(state);
    expect(await postgres.rows(`SELECT FROM pg_roles WHERE rolname ~ '_pooler_'`)).toEqual([]);
  });

  it('is told by a process that only serves, and of an added server with the command to change that', async () => {
    await using other = await startTestPostgres();
    await using theirs = await startPgBouncer(other);
    const add = ['server', 'add', 'eu', other.env.DATABASE_URL, '--pooler-url', theirs.url];
    expect(await command(add)).toMatchObject({ exit: 0 });
    const url = await postgres.createRole('front', 'secret', 'NOCREATEDB');
    const { log, text } = captureLog();
    const env = { ...postgres.env, DATABASE_URL: url, WORKER: 'off' };
    await theirs.stop();
    await using app = await startTestApp(env, { log });
    expect(await warned(text)).toMatchObject({
      server: 'eu',
      reason: expect.stringContaining('ECONNREFUSED'),
      msg: expect.stringContaining('tenantry server update eu --pooler-url URL'),
    });
    await theirs.start();
    await vi.waitFor(() => expect(linesOf(text(), can)).toHaveLength(1), settling);
    // A pooler that works is not tried again, and one that has changed is.
    expect(await command(['server', 'update', 'eu', '--pooler-url', theirs.url])).toMatchObject({ exit: 0 });
    await app.services.servers.refresh();
    expect(linesOf(text(), cannot)).toHaveLength(1);
    expect(await command(['server', 'remove', 'eu'])).toMatchObject({ exit: 0 });
  });
});
