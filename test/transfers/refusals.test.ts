import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { commandsOf } from '../support/run-command.ts';
import { openTestApp, type TestApp } from '../support/start-app.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

describe('while a tenant moves, and afterwards', () => {
  let lab: TransferLab;
  /** A server that carries out transfers; the lab's own does not. */
  let worker: TestApp | undefined;
  beforeAll(async () => {
    lab = await startTransferLab({ WORKER: 'off' });
  });
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const startWorker = async () => {
    const { config } = lab.app.services;
    worker = await openTestApp({ ...config, migrations: { ...config.migrations, worker: 'inline' } });
  };
  const stopWorker = async () => {
    await worker?.[Symbol.asyncDispose]();
    worker = undefined;
  };

  it('nothing else that changes its database or removes it begins', async () => {
    await lab.createTenant('acme', 'DATABASE');
    const made = await lab.ask('mutation { createCheckpoint(tenant: "acme") { id } }');
    const checkpoint = (made.createCheckpoint as { id: string }).id;
    const id = await lab.move('acme', 'server: "b"');
    const conflict = { code: 'CONFLICT', message: expect.stringContaining(id) };
    for (const mutation of [
      'moveTenant(input: { tenant: "acme", isolation: SCHEMA }) { id }',
      'cloneTenant(input: { tenant: "acme", slug: "copy" }) { id }',
      'deleteTenant(id: "acme", slug: "acme") { id }',
      'deleteTenant(id: "acme", slug: "acme", purge: true) { id }',
      `restoreCheckpoint(id: "${checkpoint}", acceptDataLoss: true) { id }`,
      'createCheckpoint(tenant: "acme") { id }',
    ]) {
      expect(await lab.failure(`mutation { ${mutation} }`), mutation).toEqual(conflict);
    }
    await expect(lab.app.services.servers.remove('b')).rejects.toThrow('have not finished');
    await lab.ask(`mutation { cancelTenantTransfer(id: "${id}") { id } }`);
    expect(await lab.ended(id)).toMatchObject({ status: 'CANCELLED' });
    expect(await lab.placementOf('acme')).toMatchObject({ status: 'ACTIVE', placement: { server: 'default' } });
  });

  it('what needs the rows of a tenant in maintenance names the transfer', async () => {
    await lab.createTenant('held', 'SCHEMA');
    const id = await lab.move('held', 'isolation: DATABASE');
    const setStatus = (status: string) =>
      lab.app.services.catalog.use((client) =>
        client.query(`UPDATE tenants SET status = $1 WHERE slug = 'held'`, [status]),
      );
    await setStatus('MAINTENANCE');
    expect(await lab.failure('mutation { createCheckpoint(tenant: "held") { id } }')).toEqual({
      code: 'CONFLICT',
      message: expect.stringContaining(id),
    });
    const exported = await commandsOf(lab.app)('tenant', 'export', 'held');
    expect(exported).toMatchObject({ exit: 1, stderr: expect.stringContaining(`tenantry tenant watch ${id}`) });
    await setStatus('ACTIVE');
    await lab.ask(`mutation { cancelTenantTransfer(id: "${id}") { id } }`);
  });

  it('a clone whose slug a deleted tenant has by now is not resumed, and the error says so', async () => {
    await lab.createTenant('origin', 'SCHEMA');
    const id = await lab.clone('tenant: "origin", slug: "again"');
    await lab.ask(`mutation { cancelTenantTransfer(id: "${id}") { id } }`);
    await lab.createTenant('again', 'SCHEMA');
    const resume = `mutation { resumeTenantTransfer(id: "${id}") { status } }`;
    expect(await lab.failure(resume)).toMatchObject({ code: 'SLUG_TAKEN' });
    await lab.ask('mutation { deleteTenant(id: "again", slug: "again") { id } }');
    expect(await lab.failure(resume)).toEqual({
      code: 'SLUG_TAKEN',
      message: expect.stringMatching(/^The slug again belongs to the deleted tenant again until .*undelete again/),
    });
    await lab.ask('mutation { deleteTenant(id: "again", slug: "again", purge: true) { id } }');
    expect(await lab.ask(resume)).toEqual({ resumeTenantTransfer: { status: 'PENDING' } });
    await lab.ask(`mutation { cancelTenantTransfer(id: "${id}") { id } }`);
  });

  it('a run that is unfinished keeps it from moving, and one that begins later waits for the move', async () => {
    await lab.createTenant('queued', 'SCHEMA');
    const start = async () => {
      const data = await lab.ask('mutation { runMigrations(input: { tenants: ["queued"], verify: true }) { id } }');
      return (data.runMigrations as { id: string }).id;
    };
    const run = await start();
    const move = 'mutation { moveTenant(input: { tenant: "queued", isolation: DATABASE }) { id } }';
    expect(await lab.failure(move)).toEqual({ code: 'CONFLICT', message: expect.stringContaining(run) });
    await lab.ask(`mutation { cancelMigrationRun(id: "${run}") { id } }`);
    const given = await lab.move('queued', 'isolation: DATABASE');
    await lab.ask(`mutation { cancelTenantTransfer(id: "${given}") { id } }`);
    const between = await start();
    const resume = `mutation { resumeTenantTransfer(id: "${given}") { id } }`;
    expect(await lab.failure(resume)).toEqual({ code: 'CONFLICT', message: expect.stringContaining(between) });
    await lab.ask(`mutation { cancelMigrationRun(id: "${between}") { id } }`);
    const transfer = await lab.move('queued', 'isolation: DATABASE');
    const later = await start();
    await startWorker();
    expect(await lab.ended(transfer)).toMatchObject({ status: 'SUCCEEDED' });
    await eventually('the run ends', async () => {
      const data = await lab.ask(`{ migrationRun(id: "${later}") { endedAt failed } }`);
      return (data.migrationRun as { endedAt: string | null }).endedAt !== null;
    });
    expect(await lab.ask(`{ migrationRun(id: "${later}") { failed } }`)).toEqual({ migrationRun: { failed: 0 } });
    await stopWorker();
  });

  it('a status that somebody sets before it begins is the one that it gets back', async () => {
    await lab.createTenant('paused', 'SCHEMA');
    const transfer = await lab.move('paused', 'isolation: DATABASE');
    await lab.ask('mutation { suspendTenant(id: "paused") { status } }');
    await startWorker();
    expect(await lab.ended(transfer)).toMatchObject({
      status: 'SUCCEEDED',
      tenant: { status: 'SUSPENDED', isolation: 'DATABASE' },
    });
    await stopWorker();
  });

  it.each(['DATABASE', 'SCHEMA'] as const)(
    'nobody writes to an old %s, not even with the password of its role',
    async (isolation) => {
      const slug = `kept-${isolation.toLowerCase()}`;
      await lab.createTenant(slug, isolation);
      await lab.addProducts(slug, 'one');
      const known = await lab.rowOf(slug);
      const old = lab.app.services.tenants.connectionOf(known);
      await startWorker();
      expect(await lab.ended(await lab.move(slug, 'server: "b"'))).toMatchObject({ status: 'SUCCEEDED' });
      await stopWorker();
      const connect = async () => {
        const client = new pg.Client(old);
        await client.connect().finally(() => client.end());
      };
      await expect(connect()).rejects.toThrow(/not permitted to log in|not currently accepting connections/);
      // What a process does that has the old place in mind, and a wrong password.
      const lease = lab.app.services.tenants.lease(known);
      await expect(lease.em.execute('SELECT 1')).rejects.toMatchObject({ code: 'TENANT_BUSY' });
      await lease.release();
      await expect(connect()).rejects.toThrow(/not permitted to log in|not currently accepting connections/);
      expect(await lab.skusOf(slug)).toEqual(['one']);
      const { server } = known;
      expect(server).toBe('default');
      expect(await lab.findings()).toEqual([]);
      // The old place goes with the tenant.
      await lab.ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { id } }`);
      const left = await lab.app.services.catalog.use((client) =>
        client.query('SELECT FROM old_places WHERE slug = $1', [slug]),
      );
      expect(left.rowCount).toBe(0);
    },
  );

  it('what cannot work is refused with a sentence', async () => {
    await lab.createTenant('still', 'SCHEMA');
    const failure = (input: string) =>
      lab.failure(`mutation { moveTenant(input: { tenant: "still", ${input} }) { id } }`);
    expect(await failure('server: "default"')).toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringContaining('already'),
    });
    expect(await failure('server: "nowhere"')).toMatchObject({ code: 'NOT_FOUND' });
    expect(await failure('server: "b", keepHours: -1')).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await failure('node: "worker:5432", keepHours: 0')).toEqual({
      code: 'BAD_USER_INPUT',
      message: 'A move to another node leaves no old place. Leave keepHours out.',
    });
    expect(await failure('node: "worker:5432", online: true')).toMatchObject({
      message: expect.stringContaining('is not on a node'),
    });
    await lab.app.services.catalog.use((client) =>
      client.query(`UPDATE servers SET accepts_tenants = false WHERE name = 'b'`),
    );
    await eventually('it is known', async () => (await failure('server: "b"')).code === 'CONFLICT');
    await lab.app.services.catalog.use((client) =>
      client.query(`UPDATE servers SET accepts_tenants = true WHERE name = 'b'`),
    );
    expect(await lab.failure('mutation { cancelTenantTransfer(id: "x") { id } }')).toMatchObject({
      code: 'BAD_USER_INPUT',
    });
  });
});
