import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FailoverLab, type Pair, startPair } from '../support/failover-lab.ts';
import { runCommand } from '../support/run-command.ts';

const writers = ['default-1', 'default-9', 'eu-1', 'eu-9'];

describe('a PostgreSQL that is killed, and whose replica is promoted', { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  let pairs: Record<'default' | 'eu', Pair>;
  let lab: FailoverLab;

  beforeAll(async () => {
    pairs = { default: await startPair(stack), eu: await startPair(stack) };
    const { primary, replica } = pairs.default;
    lab = stack.use(await FailoverLab.start(`${primary.urlWith(replica)}&target_session_attrs=read-write`, primary));
    // The replica comes first, so that it must be told from the primary.
    const url = pairs.eu.replica.urlWith(pairs.eu.primary);
    const added = await runCommand(['server', 'add', 'eu', url], { NODE_ENV: 'test', ...lab.env });
    expect(added).toMatchObject({ exit: 0 });
    lab.now.set('eu', pairs.eu.primary);
    const created = [lab.outside.createTenants('default', 8, 2), lab.outside.createTenants('eu', 8, 2)];
    lab.slugs.push(...(await Promise.all(created)).flat());
    await lab.outside.createTenants('eu', 1, 0, 'mover');
  }, 200_000);
  afterAll(() => stack[Symbol.asyncDispose]());

  it('is left by the requests and the run that need it, and others do not notice, if it was added', async () => {
    const { primary, replica } = pairs.eu;
    const kill = { name: 'eu', replica, lose: () => primary.kill() };
    const writes = await lab.failOver('20270102000000_round', writers, kill);
    // They are not refused, and wait at most as long as a busy machine takes.
    expect([...writes.refused, ...writes.unknown].filter((sku) => sku.startsWith('default-'))).toEqual([]);
    expect(writes.longest.get('default-1')).toBeLessThan(10_000);
    const { servers } = await lab.outside.ask<{ servers: object[] }>('{ servers { name port } }');
    expect(servers).toContainEqual({ name: 'eu', port: replica.place.port });
  });

  it('is left by everything, if it holds the catalog', async () => {
    const { outside } = lab;
    const { primary, replica } = pairs.default;
    let transfer = '';
    await lab.failOver('20270103000000_round', writers, {
      name: 'default',
      replica,
      async lose() {
        const { moveTenant } = await outside.ask<{ moveTenant: { id: string } }>(
          'mutation { moveTenant(input: { tenant: "mover-1", server: "default" }) { id } }',
        );
        transfer = moveTenant.id;
        await primary.kill();
      },
    });
    const moved = await eventually('the move ends', async () => {
      const { tenantTransfer } = await outside.ask<{ tenantTransfer: { endedAt: string | null } }>(
        `{ tenantTransfer(id: "${transfer}") { endedAt status error to { server } } }`,
      );
      return tenantTransfer.endedAt !== null && tenantTransfer;
    });
    expect(moved).toMatchObject({ status: 'SUCCEEDED', error: null, to: { server: 'default' } });
    expect(await outside.createTenants('default', 1, 1, 'after')).toEqual(['after-1', 'after-2']);
  });
});
