import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

const notes = '20280101000000_notes';
const more = '20280201000000_more';
const late = '20270101000000_late';

let fleet: Fleet;
let tenantry: ReturnType<typeof commandsOf>;
const json = async (...argv: string[]) => JSON.parse((await tenantry(...argv, '--json')).stdout);

beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
  tenantry = commandsOf(fleet.app);
  for (const slug of ['alpha', 'beta']) await tenantry('tenant', 'create', slug);
  await fleet.migrations.addReversible(notes, 'CREATE TABLE notes ()', 'DROP TABLE notes');
  await tenantry('migrate', 'up', '--tenant', 'alpha');
});
afterAll(() => fleet[Symbol.asyncDispose]());

it('status counts the tenants of each version, and ends with 1 while any is behind', async () => {
  const { exit, stdout } = await tenantry('migrate', 'status');
  expect(exit).toBe(1);
  expect(stdout).toMatch(/^VERSION\tTENANTS\tBEHIND BY\n20280101000000_notes\t1\t0\n20261121000000_fixture\t1\t1\n/);
  expect(stdout).toMatch(/\n1 of 2 tenants are behind\. The newest migration is 20280101000000_notes\.\n$/);
  expect(await json('tenant', 'list', '--behind')).toMatchObject([{ slug: 'beta', behind: 1 }]);
  await tenantry('migrate', 'up');
  expect(await tenantry('migrate', 'status', '--json')).toMatchObject({ exit: 0, stderr: '' });
  expect(await json('migrate', 'status')).toEqual({
    newest: notes,
    newestKind: 'SCHEMA',
    tenants: 2,
    behind: 0,
    versions: [{ version: notes, tenants: 2, behind: 0, unknown: [] }],
    common: { newest: null, databases: 2, behind: 0 },
  });
});

it('status marks tenants that have a migration whose file is not here', async () => {
  await fleet.migrations.remove(notes);
  expect((await tenantry('migrate', 'status')).stdout).toMatch(
    /^VERSION\tTENANTS\tBEHIND BY\tUNKNOWN HERE\n20280101000000_notes\t2\t0\t20280101000000_notes\nSome .*MIGRATION_UNKNOWN/,
  );
  await fleet.migrations.addReversible(notes, 'CREATE TABLE notes ()', 'DROP TABLE notes');
  expect((await tenantry('migrate', 'status')).stdout).not.toContain('UNKNOWN');
});

it('plan tells what a run would do, with warnings, and ends with 1 for what it would refuse', async () => {
  await fleet.migrations.addReversible(late, 'CREATE TABLE late ()', 'DROP TABLE late');
  const { exit, stdout } = await tenantry('migrate', 'plan');
  expect(exit).toBe(0);
  expect(stdout).toMatch(
    /^0 of 2 .*\n\nTo be applied to 2: alpha, beta\n {2}20270101000000_late\n\nWarnings:\n {2}alpha: .*dated before/,
  );
  expect(await json('migrate', 'plan', '--tenant', 'beta')).toMatchObject({
    totalCount: 1,
    migrations: [late],
    tenants: [{ tenant: 'beta', pending: [late], sql: ['CREATE TABLE late ()'], refusal: null }],
  });
  await fleet.migrations.addReversible(notes, 'CREATE TABLE notes ( )', 'DROP TABLE notes');
  const refused = await tenantry('migrate', 'plan');
  expect(refused).toMatchObject({ exit: 1, stdout: expect.stringContaining('Refused:\n  alpha: MIGRATION_CHANGED: ') });
  expect(refused.stdout).toContain(
    `accept it with \`tenantry migrate accept ${notes}\` or the mutation acceptMigrationHash.`,
  );
});

it('check finds what must be fixed before a deployment, and then exits with 1', async () => {
  const { exit, stdout, stderr } = await tenantry('migrate', 'check');
  expect({ exit, stderr }).toEqual({ exit: 1, stderr: '' });
  expect(stdout).toMatch(/^CHANGED: 20280101000000_notes has been changed/m);
  expect(stdout).toMatch(/^MISORDERED: 20270101000000_late is dated before/m);
  expect(stdout).toMatch(/^ENTITIES_DIFFER: .*\n {2}drop table .*;$/m);
});

it('accept lets runs go on with a changed file, and tells who accepted it', async () => {
  expect(await tenantry('migrate', 'accept', notes)).toMatchObject({
    exit: 0,
    stdout: `The current file of ${notes} was accepted in 2 tenants.\n`,
  });
  expect((await tenantry('migrate', 'accept', notes)).exit).toBe(1);
  expect((await tenantry('migrate', 'check')).stdout).not.toContain('CHANGED');
  expect((await tenantry('migrate', 'up')).exit).toBe(0);
  expect((await tenantry('migrate', 'history')).stdout).toMatch(/20280101000000_notes\tACCEPTED by \w+/);
});

it("history tells what runs did, or one database's own", async () => {
  const records = await json('migrate', 'history', '--limit', '2');
  expect(records).toMatchObject([
    { name: late, status: 'APPLIED' },
    { name: late, status: 'APPLIED' },
  ]);
  expect(records.map(({ tenant }: { tenant: string }) => tenant).sort()).toEqual(['alpha', 'beta']);
  const own = await json('migrate', 'history', '--tenant', 'alpha');
  expect(own.map(({ name }: { name: string }) => name)).toEqual([late, notes, '20261121000000_fixture']);
  expect((await tenantry('migrate', 'history', '--scope', 'constants')).stdout).toMatch(
    /^WHEN\t.*\n.*\tCONSTANTS\t2026/,
  );
  expect((await tenantry('migrate', 'history', '--tenant', 'nobody')).exit).toBe(1);
});

it('system tells at which version the databases of the installation are', async () => {
  const versions = await json('migrate', 'system');
  expect(versions).toMatchObject([{ database: 'auth' }, { database: 'constants', migrations: 1 }]);
  expect(versions[0].version).toMatch(/^\d{14}_/);
});

describe('one run', () => {
  it('is listed, watched, undone, and cannot be cancelled when it has ended', async () => {
    await fleet.migrations.addReversible(more, 'CREATE TABLE more ()', 'DROP TABLE more');
    await tenantry('migrate', 'up');
    const [latest] = await json('migrate', 'runs', '--limit', '1');
    expect(latest).toMatchObject({ kind: 'UP', status: 'SUCCEEDED', total: 2 });
    const watched = await tenantry('migrate', 'watch', latest.run, '--json');
    const events = watched.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ seq: 1, kind: 'RUN_STARTED' });
    expect(events).toContainEqual(
      expect.objectContaining({ kind: 'MIGRATION_APPLIED', tenant: 'beta', migration: more }),
    );
    const plain = await tenantry('migrate', 'watch', latest.run);
    expect(plain).toMatchObject({ exit: 0, stdout: expect.stringMatching(/RUN_ENDED[\s\S]*Migrations: SUCCEEDED/) });
    expect(await tenantry('migrate', 'cancel', latest.run)).toMatchObject({ exit: 1, stdout: '' });
    expect(await tenantry('migrate', 'undo', latest.run, '--json')).toMatchObject({ exit: 0 });
    expect(await fleet.applied('alpha')).not.toContain(more);
    expect((await tenantry('migrate', 'runs')).stdout).toMatch(/^RUN\tKIND.*\n\S+\tUNDO\tSUCCEEDED\t/);
  });

  it('is cancelled, and resumed, which shows only what comes then', async () => {
    const run = (await tenantry('migrate', 'up', '--detach')).stdout.trim();
    expect(await tenantry('migrate', 'cancel', run)).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining(`tenantry migrate resume ${run}`),
    });
    // As a narrow terminal shows it.
    expect(await tenantry('migrate', 'watch', `${run.slice(0, 9)}…`)).toMatchObject({
      exit: 1,
      stdout: expect.stringContaining(`  Run            ${run}\n`),
    });
    const { exit, stdout, stderr } = await tenantry('migrate', 'resume', run, '--json');
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ run, status: 'SUCCEEDED', succeeded: 2, cancelled: 0, tryAgain: null });
    expect(stderr).toMatch(/^\S+ RUN_RESUMED 2 tenants again/);
  });

  it.each([
    [['migrate', 'watch', 'x'], 2, 'error: x is not an id or a prefix of one. '],
    [['migrate', 'cancel', '00000000'], 1, 'There is no run whose id begins with 00000000\n'],
    [['migrate', 'resume', '00000000-0000-4000-8000-000000000000'], 1, 'There is no migration run'],
    [['migrate', 'accept', 'nothing'], 1, 'no TENANT migration nothing'],
    [['migrate', 'history', '--scope', 'mars'], 2, 'Allowed choices are tenant, common, auth, constants'],
  ])('%j ends with %i and says why', async (argv, exit, message) => {
    expect(await tenantry(...argv)).toEqual({ exit, stdout: '', stderr: expect.stringContaining(message) });
  });
});
