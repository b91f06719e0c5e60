import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsOf, runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

let app: TestApp;
let tenantry: ReturnType<typeof commandsOf>;

beforeAll(async () => {
  app = await startTestApp();
  tenantry = commandsOf(app);
});
afterAll(() => app[Symbol.asyncDispose]());

describe('tenantry tenant create', () => {
  it('creates a tenant that the server has then', async () => {
    const { exit, stdout, stderr } = await tenantry(
      'tenant',
      'create',
      'acme',
      '--name',
      'Acme Ltd',
      '--host',
      'acme.example',
    );
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(stdout).toMatch(/^Created the tenant acme: database db_\w{10}, schema public\n$/);
    const { data } = await app.ask('{ tenant(slug: "acme") { name host isolation status } }', app.admin);
    expect(data?.tenant).toEqual({ name: 'Acme Ltd', host: 'acme.example', isolation: 'DATABASE', status: 'ACTIVE' });
  });

  it('prints the tenant as JSON', async () => {
    const { stdout } = await tenantry('tenant', 'create', 'json', '--isolation', 'schema', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ slug: 'json', isolation: 'SCHEMA', database: 'shared', behind: 0 });
  });

  it('changes nothing in a dry run, and refuses there what it would refuse', async () => {
    expect(await tenantry('tenant', 'create', 'draft', '--dry-run')).toEqual({
      exit: 0,
      stdout: 'Would create the tenant draft with a database on the server default\n',
      stderr: '',
    });
    expect((await app.ask('{ tenant(slug: "draft") { id } }', app.admin)).data?.tenant).toBeNull();
    expect(await tenantry('tenant', 'create', 'json', '--dry-run')).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'A tenant with the slug json already exists\n',
    });
    expect(await tenantry('tenant', 'create', 'other', '--host', 'acme.example', '--dry-run')).toMatchObject({
      exit: 1,
      stderr: 'A tenant with the host acme.example already exists\n',
    });
  });

  it.each([
    [['tenant', 'create'], 2, 'name a slug, or a file with --file'],
    [['tenant', 'create', 'one', '--file', 'x.csv'], 2, 'name slugs or a file, not both'],
    [['tenant', 'create', 'one', 'two', '--name', 'Both'], 2, '--name and --host are for one tenant'],
    [['tenant', 'create', '--file', '/nowhere.csv'], 1, 'There is no file /nowhere.csv'],
    [['tenant', 'create', 'x', '--isolation', 'none'], 2, 'Allowed choices are database, schema'],
    [['tenant', 'create', 'No'], 1, 'A slug must have 3 to 63 characters'],
    [['tenant', 'create', 'json'], 1, 'A tenant with the slug json already exists'],
    [['tenant', 'create', 'elsewhere', '--server', 'mars'], 1, 'no server mars'],
    [['tenant', 'show', 'nobody'], 1, 'There is no tenant nobody'],
    [['tenant', 'list', '--status', 'asleep'], 2, 'Allowed choices are provisioning, active'],
  ])('%j ends with %i and says why', async (argv, exit, message) => {
    const result = await tenantry(...argv);
    expect(result).toEqual({ exit, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('tenantry tenant list and show', () => {
  it('list tenants oldest first, in lines or as JSON', async () => {
    const { stdout } = await tenantry('tenant', 'list');
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^SLUG\tNAME\tSTATUS\tISOLATION\tVERSION\tBEHIND\tCREATED$/);
    expect(lines[1]).toMatch(/^acme\tAcme Ltd\tACTIVE\tDATABASE\t20261121000000_fixture\t0\t\d{4}-\d\d-\d\d$/);
    const views = JSON.parse((await tenantry('tenant', 'list', '--json')).stdout);
    expect(views.map(({ slug }: { slug: string }) => slug)).toEqual(['acme', 'json']);
    const { stdout: shown } = await tenantry('tenant', 'show', views[0].id, '--json');
    expect(JSON.parse(shown)).toMatchObject(views[0]);
    expect((await tenantry('tenant', 'show', 'acme')).stdout).toContain('host:          acme.example\n');
  });

  it('leave out those that a filter leaves out, and say on standard error that there are none', async () => {
    expect(JSON.parse((await tenantry('tenant', 'list', '--status', 'suspended', '--json')).stdout)).toEqual([]);
    expect(await tenantry('tenant', 'list', '--behind')).toEqual({
      exit: 0,
      stdout: '',
      stderr: 'There are no such tenants.\n',
    });
  });

  it('are a table on a terminal that fits its width, and colour nothing if NO_COLOR is set', async () => {
    await tenantry('tenant', 'create', 'wide', '--name', 'Wide');
    // Such a name is refused now; one that was stored earlier must not reach a terminal.
    const name = `日本語${'x'.repeat(150)}\u001B[31m\n`;
    await app.services.catalog.use((client) =>
      client.query("UPDATE tenants SET name = $1 WHERE slug = 'wide'", [name]),
    );
    const env = { NODE_ENV: 'test', DATA_DIR: app.services.config.dataDir };
    const coloured = await runCommand(['tenant', 'list'], env, 80);
    expect(coloured.stdout).toContain('\u001B[1mSLUG');
    expect(coloured.stdout).not.toContain('\u001B[31m');
    const lines = stripVTControlCharacters(coloured.stdout).trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    // Three characters of the name are two columns wide.
    expect(lines.map(({ length }) => length).filter((length) => length > 80)).toEqual([]);
    expect(lines[3]).toMatch(/^wide +日本語x+… +ACTIVE/);
    const plain = await runCommand(['tenant', 'list'], { ...env, NO_COLOR: '1' }, 80);
    expect(plain.stdout).toBe(stripVTControlCharacters(coloured.stdout));
  });
});

describe('tenantry tenant update', () => {
  it('changes the name and the host, or clears it', async () => {
    expect(await tenantry('tenant', 'update', 'json', '--name', 'Jason', '--host', 'json.example')).toEqual({
      exit: 0,
      stdout: 'The tenant json is called Jason, at json.example.\n',
      stderr: '',
    });
    expect((await tenantry('tenant', 'update', 'json', '--no-host')).stdout).toBe('The tenant json is called Jason.\n');
    const { data } = await app.ask('{ tenant(slug: "json") { name host } }', app.admin);
    expect(data?.tenant).toEqual({ name: 'Jason', host: null });
  });

  it.each([
    [['json'], 2, 'use --name, --host or --no-host'],
    [['json', '--host', 'acme.example'], 1, 'A tenant with the host acme.example already exists'],
    [['nobody', '--name', 'x'], 1, 'There is no tenant nobody'],
  ])('%j ends with %i and says why', async (argv, exit, message) => {
    const result = await tenantry('tenant', 'update', ...argv);
    expect(result).toEqual({ exit, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('tenantry tenant suspend and activate', () => {
  const audit = '{ auditLog(filter: { action: "suspendTenant" }) { nodes { outcome tenant { slug } details } } }';

  it('serve a tenant no more, and again, and write that to the audit log', async () => {
    expect(await tenantry('tenant', 'suspend', 'json')).toEqual({
      exit: 0,
      stdout: 'The tenant json is SUSPENDED.\n',
      stderr: '',
    });
    expect(JSON.parse((await tenantry('tenant', 'list', '--status', 'suspended', '--json')).stdout)).toHaveLength(1);
    expect((await tenantry('tenant', 'activate', 'json')).stdout).toBe('The tenant json is ACTIVE.\n');
    expect(await tenantry('tenant', 'suspend', 'nobody')).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'There is no tenant nobody\n',
    });
    const details = (slug: string) => JSON.stringify({ slug });
    expect((await app.ask(audit, app.admin)).data?.auditLog).toEqual({
      nodes: [
        { outcome: 'TENANT_NOT_FOUND', tenant: null, details: details('nobody') },
        { outcome: 'OK', tenant: { slug: 'json' }, details: details('json') },
      ],
    });
  });
});

describe('tenantry tenant delete', () => {
  /** At a terminal, if lines are typed there. */
  function remove(args: string[], ...typed: string[]) {
    const env = { NODE_ENV: 'test', DATA_DIR: app.services.config.dataDir };
    const stdin = Object.assign(new PassThrough(), typed.length > 0 && { isTTY: true });
    stdin.write(typed.join('\r'));
    return runCommand(['tenant', 'delete', ...args], env, undefined, stdin);
  }
  const isThere = async (slug: string) =>
    (await app.ask(`{ tenant(slug: "${slug}") { id } }`, app.admin)).data?.tenant !== null;
  beforeAll(async () => {
    for (const slug of ['typed', 'said']) await tenantry('tenant', 'create', slug, '--isolation', 'schema');
  });

  it('asks at a terminal for the slug, and deletes nothing if it is another one, or after Ctrl-C', async () => {
    expect(await remove(['typed'], 'said', '')).toMatchObject({
      exit: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /The tenant typed \(typed\) will no longer be served.*\n.*Type its slug.*\n.*Nothing was deleted/s,
      ),
    });
    expect(await remove(['typed'], 'typ\u0003')).toMatchObject({ exit: 130, stdout: '' });
    expect(await isThere('typed')).toBe(true);
    expect(await remove(['typed'], 'typed', '')).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(
        /^The tenant typed was deleted. It is removed for good at 20.*tenantry tenant undelete typed/,
      ),
    });
    expect(await isThere('typed')).toBe(true);
    expect((await tenantry('tenant', 'list', '--status', 'deleted')).stdout).toContain('typed');
    expect(await tenantry('tenant', 'undelete', 'typed')).toMatchObject({
      exit: 0,
      stdout: 'The tenant typed is back. It is ACTIVE.\n',
    });
    expect(await tenantry('tenant', 'undelete', 'typed')).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('The tenant typed is not deleted: it is ACTIVE'),
    });
    expect(await remove(['--purge', 'typed'], 'typed', '')).toMatchObject({
      exit: 0,
      stdout: 'The tenant typed was removed for good.\n',
      stderr: expect.stringContaining(
        'All data and checkpoints of the tenant typed (typed) will be permanently removed',
      ),
    });
    expect(await isThere('typed')).toBe(false);
  });

  it('needs the slug again without a terminal, and writes the outcome to the audit log', async () => {
    expect(await remove(['said'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('--yes <slug>') });
    expect(await remove(['said', '--yes', 'json'])).toMatchObject({
      exit: 1,
      stderr: "Nothing was deleted: to confirm, repeat the tenant's slug, which is said\n",
    });
    const { id } = JSON.parse((await tenantry('tenant', 'show', 'said', '--json')).stdout);
    expect(await remove([id, '--purge', '--yes', 'said'])).toEqual({
      exit: 0,
      stdout: 'The tenant said was removed for good.\n',
      stderr: '',
    });
    expect(await remove(['said', '--yes', 'said'])).toMatchObject({ exit: 1, stderr: 'There is no tenant said\n' });
    const text = `{ auditLog(tenant: "${id}") { nodes { action outcome tenant { slug } } } }`;
    expect((await app.ask(text, app.admin)).data?.auditLog).toEqual({
      nodes: [
        { action: 'deleteTenant', outcome: 'OK', tenant: null },
        { action: 'tenant.purge', outcome: 'OK', tenant: null },
        { action: 'deleteTenant', outcome: 'BAD_USER_INPUT', tenant: null },
        { action: 'createTenant', outcome: 'OK', tenant: null },
      ],
    });
  });
});

it('--verbose logs statements on standard error, and where an error comes from', async () => {
  const { stdout, stderr } = await tenantry('--verbose', 'tenant', 'list', '--json');
  expect(JSON.parse(stdout)).toHaveLength(3);
  expect(stderr).toMatch(/ms: [\d.]+\n +sql: "/);
  const failed = await tenantry('tenant', 'show', 'nobody', '--verbose');
  expect(failed.stderr).toMatch(/There is no tenant nobody.*\n +at .*find-tenants\.ts/);
});
