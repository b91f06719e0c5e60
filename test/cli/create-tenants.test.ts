import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsOf, runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

let app: TestApp;
let tenantry: ReturnType<typeof commandsOf>;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tenants-'));
  app = await startTestApp();
  tenantry = commandsOf(app);
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function csv(text: string): Promise<string> {
  const file = path.join(folder, 'tenants.csv');
  await writeFile(file, text);
  return file;
}

const slugs = async () =>
  (JSON.parse((await tenantry('tenant', 'list', '--json')).stdout) as { slug: string }[])
    .map(({ slug }) => slug)
    .sort();

describe('tenantry tenant create for several tenants', () => {
  it('creates all slugs, and puts them on the audit log as one command', async () => {
    const { exit, stdout, stderr } = await tenantry('tenant', 'create', 'alpha', 'beta', '--isolation', 'schema');
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(stdout.split('\n').filter(Boolean).sort()).toEqual([
      expect.stringMatching(/^Created the tenant alpha: database shared, schema tenant_/),
      expect.stringMatching(/^Created the tenant beta: database shared, schema tenant_/),
    ]);
    expect(await slugs()).toEqual(['alpha', 'beta']);
  });

  it('reads a file, with names in quotes, empty cells and a byte order mark', async () => {
    const file = await csv(
      '\uFEFFslug,name,isolation,host\r\ngamma,"Gamma, ""Ltd""",schema,gamma.example\r\ndelta,,,\r\n\r\n',
    );
    const { exit, stdout } = await tenantry('tenant', 'create', '--file', file, '--isolation', 'database', '--json');
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { slug: 'gamma', name: 'Gamma, "Ltd"', isolation: 'SCHEMA', host: 'gamma.example' },
      { slug: 'delta', name: 'delta', isolation: 'DATABASE', host: null },
    ]);
  });

  it('leaves out what exists when it is repeated, also from standard input', async () => {
    const { dataDir, migrations } = app.services.config;
    const env = { NODE_ENV: 'test', DATA_DIR: dataDir, TENANT_MIGRATIONS_DIR: migrations.tenantDir };
    const stdin = Readable.from(['slug\nalpha\nepsilon\n']);
    const argv = ['tenant', 'create', '--file', '-', '--isolation', 'schema', '--skip-existing'];
    expect(await runCommand(argv, env, undefined, stdin)).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('Created the tenant epsilon'),
      stderr: 'Left out, because they exist: alpha\n',
    });
  });

  it.each([
    ['slug\nnew-one\nNo\nalpha\n', ['line 3: A slug must have', 'line 4: A tenant with the slug alpha already exists']],
    ['slug\nnew-one\nnew-one\n', ['line 3: the slug new-one is also that of line 2']],
    ['slug,host\nnew-one,x.example\nnew-two,X.example\n', ['line 3: the host x.example is also that of line 2']],
    ['slug,isolation\nnew-one,both\n', ['line 2: the isolation is database or schema, not both']],
    ['slug,plan\nnew-one,gold\n', ['unknown columns plan; the columns are slug, name, isolation, host, server']],
    ['name\nNew\n', ['one must be slug']],
    ['slug,name\nnew-one,"open\n', ['cannot be read']],
    ['\uFEFF\r\n', ['The file of tenants is empty: its first line must name the columns, and one must be slug']],
  ])('creates nothing of %j, and says what is wrong', async (text, messages) => {
    const before = await slugs();
    const { exit, stdout, stderr } = await tenantry('tenant', 'create', '--file', await csv(text));
    expect({ exit, stdout }).toEqual({ exit: 1, stdout: '' });
    for (const message of messages) expect(stderr).toContain(message);
    expect(await slugs()).toEqual(before);
  });

  it('says so if a file has a header only, or cannot be opened', async () => {
    const none = await tenantry('tenant', 'create', '--file', await csv('slug\n'), '--json');
    expect(none).toEqual({ exit: 0, stdout: '[]\n', stderr: 'The file names no tenants, so none is created.\n' });
    const missing = path.join(folder, 'no.csv');
    expect(await tenantry('tenant', 'create', '--file', missing)).toEqual({
      exit: 1,
      stdout: '',
      stderr: `There is no file ${missing}\n`,
    });
    expect(await tenantry('tenant', 'create', '--file', folder)).toMatchObject({
      exit: 1,
      stderr: `${folder} is a folder. Name a file.\n`,
    });
  });

  it('says of names in the bin until when they are, and both ways out, before anything is created', async () => {
    await tenantry('tenant', 'create', 'binned', '--isolation', 'SCHEMA', '--host', 'binned.example');
    await tenantry('tenant', 'delete', 'binned', '--yes', 'binned');
    const ways =
      /belongs to the deleted tenant binned until 20\S+Z\. Bring it back with `tenantry tenant undelete binned` .*`tenantry tenant delete binned --purge`/;
    const single = await tenantry('tenant', 'create', 'binned');
    expect(single).toMatchObject({ exit: 1, stderr: expect.stringMatching(/^The slug binned belongs/) });
    expect(single.stderr).toMatch(ways);
    const file = await csv('slug,host\nbinned,\nfresh,binned.example\n');
    const { exit, stderr } = await tenantry('tenant', 'create', '--file', file);
    expect(exit).toBe(1);
    expect(stderr).toMatch(/line 2: The slug binned belongs.*line 3: The host binned\.example belongs/s);
    expect(await slugs()).not.toContain('fresh');
    expect((await tenantry('tenant', 'clone', 'alpha', 'binned')).stderr).toMatch(ways);
  });

  it('shows all that it would create in a dry run', async () => {
    const { exit, stdout } = await tenantry('tenant', 'create', 'zeta', 'eta', '--dry-run', '--isolation', 'schema');
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout:
        'Would create the tenant zeta with a schema on the server default\nWould create the tenant eta with a schema on the server default\n',
    });
  });
});
