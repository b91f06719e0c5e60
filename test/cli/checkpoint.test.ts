import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

let fleet: Fleet;
let tenantry: ReturnType<typeof commandsOf>;

beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
  tenantry = commandsOf(fleet.app);
  await tenantry('tenant', 'create', 'acme');
  await tenantry('tenant', 'create', 'shared', '--isolation', 'schema');
  await fleet.migrations.add('20270101000000_notes', 'CREATE TABLE notes (note text)');
});
afterAll(() => fleet[Symbol.asyncDispose]());

const list = async (...args: string[]) => JSON.parse((await tenantry('checkpoint', 'list', ...args, '--json')).stdout);

it('a tenant is restored from a checkpoint, but not before the caller has seen what would be lost', async () => {
  expect(await tenantry('checkpoint', 'list')).toEqual({
    exit: 0,
    stdout: '',
    stderr: 'There are no checkpoints.\n',
  });
  const created = await tenantry('checkpoint', 'create', 'acme', '--name', 'before the change');
  const [, id = ''] = /tenantry checkpoint restore (\S+)\n$/.exec(created.stdout) ?? [];
  expect(created).toMatchObject({
    exit: 0,
    stdout: expect.stringMatching(/^Created the checkpoint before the change of acme\./),
  });
  expect(await list('acme')).toEqual([
    {
      id,
      name: 'before the change',
      tenant: 'acme',
      version: '20261121000000_fixture',
      createdAt: expect.stringMatching(/^2\d{3}-.*Z$/),
      sizeBytes: expect.any(Number),
    },
  ]);
  expect(await tenantry('tenant', 'clone', 'shared', 'copy', '--checkpoint', id)).toEqual({
    exit: 1,
    stdout: '',
    stderr: `The checkpoint ${id} is of the tenant acme, not of shared\n`,
  });
  await tenantry('migrate', 'up', '--tenant', 'acme');
  expect(await tenantry('checkpoint', 'restore', id)).toEqual({
    exit: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /would lose everything .* since .*: 20270101000000_notes\. To accept .*--accept-data-loss/,
    ),
  });
  expect(await fleet.applied('acme')).toContain('20270101000000_notes');
  expect(await tenantry('checkpoint', 'restore', id, '--accept-data-loss')).toEqual({
    exit: 0,
    stdout: `The tenant acme was restored from the checkpoint ${id}. The checkpoint is kept.\n`,
    stderr: '',
  });
  expect(await fleet.applied('acme')).toEqual(['20261121000000_fixture']);
  expect(await tenantry('checkpoint', 'delete', id.slice(0, 8))).toMatchObject({
    exit: 0,
    stdout: expect.stringContaining(id),
  });
  expect(await list()).toEqual([]);
});

it('migrate up takes a checkpoint of each database, where it is asked to', async () => {
  const up = await tenantry('migrate', 'up', '--checkpoint', 'snapshot', '--json');
  expect(up).toMatchObject({ exit: 0, stderr: expect.stringMatching(/TENANT_WARNING shared No snapshot was taken/) });
  const { run, checkpoint } = JSON.parse(up.stdout);
  const watched = await tenantry('migrate', 'watch', run);
  expect(watched.stdout).toContain(`RUN_STARTED 2 tenants, restore point ${checkpoint} (0/2)\n`);
  expect(watched.stdout).toContain(
    `  Restore point  ${checkpoint}, with copies of 1 tenant: see tenantry checkpoint list\n`,
  );
  expect(await list()).toMatchObject([{ name: checkpoint, tenant: 'acme', version: '20261121000000_fixture' }]);
  const { stdout } = await tenantry('checkpoint', 'list', 'acme');
  expect(stdout).toMatch(/^ID\tTENANT\tNAME\tVERSION\tCREATED\tMB\n/);
  expect(stdout).toContain(`\tacme\t${checkpoint}\t20261121000000_fixture\t`);
});

it.each([
  [['checkpoint', 'create', 'nobody'], 1, 'There is no tenant nobody'],
  [['checkpoint', 'list', 'nobody'], 1, 'There is no tenant nobody'],
  [['checkpoint', 'restore', 'nothing'], 2, 'nothing is not an id or a prefix of one. '],
  [['checkpoint', 'delete', '00000000'], 1, 'There is no checkpoint whose id begins with 00000000'],
  [['checkpoint', 'create'], 2, "missing required argument 'tenant'"],
  [['migrate', 'up', '--checkpoint', 'photo'], 2, 'Allowed choices are transaction, snapshot'],
])('%j ends with %i and says why', async (argv, exit, message) => {
  expect(await tenantry(...argv)).toEqual({ exit, stdout: '', stderr: expect.stringContaining(message) });
});
