import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';

// With REQUIRE_PSQL, as in .ci/run, its test fails without it.
const hasPsql = process.env.REQUIRE_PSQL !== undefined || spawnSync('psql', ['--version']).status === 0;

let fleet: Fleet;
let run: ReturnType<typeof commandsOf>;
beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({ 'one-db': 'DATABASE', 'two-schema': 'SCHEMA' });
  run = commandsOf(fleet.app);
});
afterAll(() => fleet[Symbol.asyncDispose]());

const whoAmI = 'SELECT current_user, current_schema()';

describe.runIf(hasPsql)('tenantry psql', () => {
  it.each(['one-db', 'two-schema'])('opens psql as the role of %s, in its schema', async (slug) => {
    const { key, schema } = await fleet.tenant(slug);
    const { exit, stdout } = await run('psql', slug, '--', '-At', '-c', whoAmI);
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: `tenant_${key}|${schema}\n` });
    const forbidden = await run('psql', slug, '--', '-c', 'CREATE TABLE mine (id int)');
    expect(forbidden).toMatchObject({ exit: 1, stderr: expect.stringContaining('permission denied') });
  });
  it('opens psql as the owner with --owner', async () => {
    const created = await run('psql', 'two-schema', '--owner', '--', '-c', 'CREATE TABLE owned (id int)');
    expect(created).toMatchObject({ exit: 0, stdout: 'CREATE TABLE\n' });
    const { schema } = await fleet.tenant('two-schema');
    expect(await fleet.inTenant('two-schema', "SELECT schemaname FROM pg_tables WHERE tablename = 'owned'")).toEqual([
      { schemaname: schema },
    ]);
  });

  it('reads statements from standard input, and ends with the status of psql', async () => {
    const { dataDir } = fleet.app.services.config;
    const stdin = Readable.from(['SELECT 1 / 0;\n']);
    const args = ['psql', 'one-db', '--', '-v', 'ON_ERROR_STOP=1'];
    const failed = await runCommand(args, { NODE_ENV: 'test', DATA_DIR: dataDir }, undefined, stdin);
    expect(failed).toMatchObject({ exit: 3, stderr: expect.stringContaining('division by zero') });
  });

  it("has the time limit of requests as the tenant's role, and none as the owner", async () => {
    const { dataDir } = fleet.app.services.config;
    const env = { NODE_ENV: 'test', DATA_DIR: dataDir, TENANT_STATEMENT_TIMEOUT_MS: '1000' };
    const sleep = ['--', '-At', '-v', 'ON_ERROR_STOP=1', '-c', 'SELECT pg_sleep(1.2)', '-c', 'SELECT 1'];
    const cancelled = await runCommand(['psql', 'one-db', ...sleep], env);
    expect(cancelled).toMatchObject({ exit: 1, stderr: expect.stringContaining('due to statement timeout') });
    expect(await runCommand(['psql', 'one-db', '--owner', ...sleep], env)).toMatchObject({ exit: 0, stdout: '\n1\n' });
  });

  it("connects to the tenant even if the operator's environment names another server", async () => {
    const { key } = await fleet.tenant('one-db');
    const { dataDir } = fleet.app.services.config;
    const env = { NODE_ENV: 'test', DATA_DIR: dataDir, PGHOSTADDR: '192.0.2.1', PGSERVICE: 'nowhere' };
    const { exit, stdout } = await runCommand(['psql', 'one-db', '--', '-At', '-c', 'SELECT current_user'], env);
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: `tenant_${key}\n` });
  });

  it('does not write what psql does to the audit log', async () => {
    await run('psql', 'one-db', '--', '-c', "SELECT 'a secret'");
    const { rows } = await fleet.app.services.catalog.use((client) =>
      client.query("SELECT action, details FROM audit_log WHERE action LIKE '%psql' ORDER BY id DESC LIMIT 1"),
    );
    expect(rows).toEqual([{ action: 'tenantry psql', details: expect.stringContaining('one-db') }]);
    expect(JSON.stringify(rows)).not.toContain('secret');
  });
});

describe('tenantry psql --url', () => {
  it.each(['one-db', 'two-schema'])('prints a URL with which other clients connect to %s', async (slug) => {
    const { key, schema } = await fleet.tenant(slug);
    const { exit, stdout } = await run('psql', slug, '--url');
    expect(exit).toBe(0);
    const client = new pg.Client(stdout.trim());
    await client.connect();
    const { rows } = await client.query(whoAmI);
    await client.end();
    expect(rows).toEqual([{ current_user: `tenant_${key}`, current_schema: schema }]);
  });

  it('names a tenant that does not exist', async () => {
    const { exit, stderr } = await run('psql', 'nobody', '--url');
    expect({ exit, stderr }).toEqual({ exit: 1, stderr: 'There is no tenant nobody\n' });
  });

  it('refuses arguments for psql, which it does not start', async () => {
    const { exit, stderr } = await run('psql', 'one-db', '--url', '--', '-c', 'SELECT 1');
    expect({ exit, stderr }).toEqual({ exit: 2, stderr: expect.stringContaining('leave the arguments after -- out') });
  });

  it('says what to do where psql is not installed', async () => {
    const { dataDir } = fleet.app.services.config;
    const { exit, stderr } = await runCommand(['psql', 'one-db'], {
      NODE_ENV: 'test',
      DATA_DIR: dataDir,
      PATH: '/nowhere',
    });
    expect({ exit, stderr }).toMatchObject({ exit: 1, stderr: expect.stringContaining('psql is not installed') });
  });
});
