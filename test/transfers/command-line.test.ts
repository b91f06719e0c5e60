import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { commandsOf } from '../support/run-command.ts';
import { startCommand } from '../support/server-process.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

describe('the command line', () => {
  let lab: TransferLab;
  let dataDir: string;
  let tenant: (...args: string[]) => ReturnType<ReturnType<typeof commandsOf>>;
  /** Starts a command in a process of its own. */
  const startOwn = (...args: string[]) => startCommand(args, { NODE_ENV: 'test', DATA_DIR: dataDir, ...lab.first.env });
  beforeAll(async () => {
    // Nobody else carries out transfers.
    lab = await startTransferLab({ WORKER: 'off' }, { ownFirst: true });
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-commands-'));
    const command = commandsOf(lab.app, lab.first.env);
    tenant = (...args) => command('tenant', ...args);
    await lab.createTenant('acme', 'SCHEMA');
    await lab.addProducts('acme', 'one');
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('moves a tenant itself where no worker does, and says what it did', async () => {
    const moved = await tenant('move', 'acme', '--server', 'b', '--isolation', 'database', '--keep', '0');
    expect(moved).toMatchObject({ exit: 0 });
    expect(moved.stdout).toMatch(
      /^The tenant acme is now on the server b: database db_\w+, schema public\. It was paused for [\d.]+ m?s\.\n$/,
    );
    expect(moved.stderr).toMatch(/ CREATED move acme to a database on the server b\n.* STARTED .* SUCCEEDED /s);
    expect(await lab.skusOf('acme')).toEqual(['one']);
  });

  it('refuses what cannot be, before anything is done', async () => {
    const refused = async (...args: string[]) => {
      const { exit, stderr } = await tenant('move', ...args);
      return { exit, stderr: stderr.trim() };
    };
    expect(await refused('acme')).toEqual({
      exit: 1,
      stderr: 'The tenant acme has a database on the server b already. Name another server or another isolation.',
    });
    expect(await refused('nobody', '--server', 'b')).toEqual({ exit: 1, stderr: 'There is no tenant nobody' });
    expect(await refused('acme', '--server', 'c')).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('There is no server c'),
    });
    expect(await refused('acme', '--server', 'default', '--keep', 'long')).toMatchObject({ exit: 2 });
    expect(await refused('acme', '--node', 'worker:5432', '--keep', '24h')).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('a move with --node keeps nothing of where the tenant was; leave --keep out'),
    });
    expect((await lab.ask('{ tenantTransfers { totalCount } }')).tenantTransfers).toEqual({ totalCount: 1 });
  });

  it('starts a transfer for others, follows the newest, and prints JSON', async () => {
    const { exit, stdout } = await tenant('clone', 'acme', 'sandbox', '--isolation', 'schema', '--detach');
    expect(exit).toBe(0);
    const id = stdout.trim();
    expect((await lab.ask(`{ tenantTransfer(id: "${id}") { status } }`)).tenantTransfer).toEqual({ status: 'PENDING' });
    const [watched, resumed] = await Promise.all([
      tenant('watch', '--json'),
      eventually('nobody works on it', async () => {
        const result = await tenant('resume', id.slice(0, 8));
        return result.exit === 0 && result;
      }),
    ]);
    expect(resumed.stdout).toMatch(
      /^Created the tenant sandbox on the server b: database shared, schema tenant_\w+\.\n$/,
    );
    expect(JSON.parse(watched.stdout)).toMatchObject({
      transfer: id,
      kind: 'CLONE',
      status: 'SUCCEEDED',
      tenant: 'sandbox',
      source: 'acme',
    });
    expect(await lab.skusOf('sandbox')).toEqual(['one']);
  });

  it('cancels a transfer, after which the tenant is what it was', async () => {
    const { stdout } = await tenant('move', 'acme', '--server', 'default', '--detach');
    const id = stdout.trim();
    expect(await tenant('cancel', id)).toMatchObject({ exit: 0 });
    expect(await lab.ended(id)).toMatchObject({ status: 'CANCELLED' });
    expect(await tenant('cancel', id)).toMatchObject({ exit: 1, stderr: expect.stringContaining('it is CANCELLED') });
    expect(await lab.skusOf('acme')).toEqual(['one']);
    expect(await tenant('resume', id)).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('The tenant acme is now'),
    });
  });

  it('lists transfers, names them by their tenants, and says that no process works on one', async () => {
    const command = commandsOf(lab.app, lab.first.env);
    await lab.createTenant('waiting', 'SCHEMA');
    const id = (await tenant('move', 'waiting', '--isolation', 'DATABASE', '--detach')).stdout.trim();
    await using watching = startOwn('tenant', 'watch', 'waiting');
    await eventually('no process works on it for some time', async () => {
      const [first] = JSON.parse((await tenant('transfers', '--json')).stdout);
      return first?.transfer === id && first.waitsForProcess;
    });
    const listed = await tenant('transfers', 'waiting');
    const [titles, row] = listed.stdout.split('\n').map((line) => line.split('\t'));
    expect(titles?.slice(0, 4)).toEqual(['TRANSFER', 'KIND', 'TENANT', 'STATUS']);
    expect(row?.slice(0, 6)).toEqual([
      ...[id, 'MOVE', 'waiting', 'PENDING (no process)', 'default, schema', 'default, database'],
    ]);
    expect((await tenant('show', 'waiting')).stdout).toContain(`MOVE of waiting ${id} PENDING (no process)`);
    expect(JSON.parse((await tenant('show', 'waiting', '--json')).stdout).transfers).toMatchObject([{ transfer: id }]);
    expect((await command('status')).stdout).toContain(`MOVE of waiting ${id} PENDING (no process)`);
    expect(JSON.parse((await command('status', '--json')).stdout).transfers).toMatchObject([{ transfer: id }]);
    const refused = await tenant('delete', 'waiting', '--yes', 'waiting');
    expect(refused).toMatchObject({
      exit: 1,
      stderr: `The tenant waiting is being moved by the transfer ${id}. Wait for its end with \`tenantry tenant watch ${id}\`, or cancel it with \`tenantry tenant cancel ${id}\` or the mutation cancelTenantTransfer.\n`,
    });
    const isLeft = / CREATED .*\nNo process works on the transfer. .* tenantry tenant resume /;
    await eventually('who watches it is told', async () => isLeft.test(watching.output()));
    expect(await tenant('resume', 'waiting')).toMatchObject({
      exit: 0,
      stderr: expect.stringContaining('The transfer is PENDING, so it continues as it was started.'),
    });
    expect(await watching.ended).toMatchObject({ code: 0 });
    expect(await tenant('cancel', 'waiting')).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('There is no transfer of a tenant waiting that has not ended'),
    });
    expect(await tenant('watch', 'waiting')).toMatchObject({ exit: 0, stdout: expect.stringContaining('is now') });
    expect(await tenant('watch', 'nobody')).toMatchObject({
      exit: 1,
      stderr: 'There is no tenant nobody, and no transfer of one. tenantry tenant transfers lists all transfers.\n',
    });
    expect(await tenant('transfers', 'nobody')).toMatchObject({ exit: 1, stderr: 'There is no tenant nobody\n' });
    expect(await tenant('transfers', '--limit', '0')).toMatchObject({ exit: 2 });
  });

  it('counts no rows of a clone by template, but its bytes, and measures a tenant again after it has moved', async () => {
    await lab.createTenant('whole', 'DATABASE');
    const cloned = JSON.parse((await tenant('clone', 'whole', 'whole-2', '--json')).stdout);
    expect(cloned).toMatchObject({ status: 'SUCCEEDED', rowsCopied: null, bytesCopied: expect.any(Number) });
    expect(cloned.bytesCopied).toBeGreaterThan(1_000_000);
    const [before] = [JSON.parse((await tenant('show', 'whole', '--json')).stdout)];
    expect(before.databaseBytes).toBeGreaterThan(5_000_000);
    await tenant('move', 'whole', '--isolation', 'schema', '--keep', '0');
    const after = JSON.parse((await tenant('show', 'whole', '--json')).stdout);
    expect(after.databaseBytes).toBeLessThan(5_000_000);
    expect(Date.parse(after.measuredAt)).toBeGreaterThan(Date.parse(before.measuredAt));
    expect((await tenant('show', 'whole')).stdout).toMatch(
      /size: .* kB\nrows: +about \d+\nfiles: +0\nmeasured: +(just now|\d+ s ago)\n/,
    );
  });

  it('leaves a transfer to others on Ctrl-C, with the tenant served where it was', async () => {
    await lab.createTenant('large', 'SCHEMA', 'b');
    const { schema } = await lab.rowOf('large');
    const rows = `SELECT 'sku-' || n, repeat('n', 200), 1, 'EUR', 0 FROM generate_series(1, 200000) n`;
    await lab.second.rows(`INSERT INTO "${schema}".products (sku, name, price, currency, stock) ${rows}`, [], 'shared');
    await using command = startOwn('tenant', 'move', 'large', '--server', 'default');
    await eventually('it copies', async () => command.output().includes(' TARGET_CREATED '));
    command.signal('SIGINT');
    expect(await command.ended).toMatchObject({ code: 130 });
    expect(command.output()).toMatch(/Follow it with: tenantry tenant watch /);
    expect(await lab.placementOf('large')).toMatchObject({ status: 'ACTIVE', placement: { server: 'b' } });
    const { tenantTransfers } = await lab.ask('{ tenantTransfers(tenant: "large") { nodes { id status } } }');
    const { nodes } = tenantTransfers as { nodes: { id: string; status: string }[] };
    expect(nodes).toMatchObject([{ status: 'PENDING' }]);
    await lab.ask(`mutation { cancelTenantTransfer(id: "${nodes[0]?.id}") { id } }`);
  });
});
