import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { describeCitus, useCitusFleet } from '../../support/citus-fleet.ts';

describeCitus('tenants on the nodes of a Citus cluster', () => {
  const fleet = useCitusFleet(['north', 'west']);

  const move = async (slug: string, more: string) => {
    const fields = 'id to { schema node } from { node }';
    const { moveTenant } = await fleet().ask<{ moveTenant: { id: string; to: object; from: object } }>(
      `mutation { moveTenant(input: { tenant: "${slug}" ${more} }) { ${fields} } }`,
    );
    return moveTenant;
  };

  it('move to another node, while their writes go on', async () => {
    const { app, citus } = fleet();
    const headers = await fleet().ownerOf('north');
    const { placement } = await fleet().placeOf('north');
    const other = await fleet().otherNode('north');
    const { servers } = await fleet().ask<{ servers: { nodes: { address: string; tenantCount: number }[] }[] }>(
      '{ servers { nodes { address isActive tenantCount } } }',
    );
    const nodes = servers.flatMap((server) => server.nodes);
    expect(nodes.map(({ address }) => address)).toEqual(citus.nodes);
    expect(nodes.reduce((sum, { tenantCount }) => sum + tenantCount, 0)).toBe(2);
    const product = await fleet().addProduct('north', 'tea');
    const order = `mutation { placeOrder(input: { lines: [{ product: "${product}", quantity: 1 }] }) { id } }`;
    let isMoving = true;
    let written = 0;
    const writing = (async () => {
      while (isMoving) {
        expect((await app.ask(order, headers)).errors).toBeUndefined();
        written += 1;
      }
    })();
    const { id, ...places } = await move('north', `node: "${other}", online: true`);
    expect(places).toMatchObject({ to: { node: other, schema: placement.schema }, from: { node: placement.node } });
    try {
      expect(await fleet().ended(id)).toEqual({ status: 'SUCCEEDED', error: null });
    } finally {
      isMoving = false;
      await writing;
    }
    expect((await fleet().placeOf('north')).placement).toEqual({ schema: placement.schema, node: other });
    expect(await fleet().ask('{ orders { totalCount } }', headers)).toEqual({ orders: { totalCount: written } });
  });

  it('are not moved to a node that is none, or that has them', async () => {
    const { citus } = fleet();
    const { placement } = await fleet().placeOf('west');
    const refused = (more: string) =>
      fleet().failure(`mutation { moveTenant(input: { tenant: "west" ${more} }) { id } }`);
    expect(await refused('node: "nowhere:1"')).toEqual({
      code: 'BAD_USER_INPUT',
      message: expect.stringContaining(`It has: ${citus.nodes.join(', ')}`),
    });
    expect(await refused(`node: "${placement.node}"`)).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await refused(`node: "${placement.node}", isolation: DATABASE`)).toMatchObject({ code: 'BAD_USER_INPUT' });
    // Their rows would be left behind: the coordinator does not have them.
    expect(await refused('isolation: DATABASE')).toEqual({
      code: 'CONFLICT',
      message: expect.stringContaining('citus_schema_undistribute'),
    });
  });

  it.each([false, true])(
    'stay where they are if their move is cancelled, and can be moved again: online %s',
    async (online) => {
      const { citus } = fleet();
      const headers = await fleet().ownerOf('west');
      const { placement } = await fleet().placeOf('west');
      const { schema } = placement;
      const product = await fleet().addProduct('west', `tea-${online}`);
      const order = `mutation { placeOrder(input: { lines: [{ product: "${product}", quantity: 1 }] }) { id } }`;
      const other = await fleet().otherNode('west');
      const start = async () => (await move('west', `node: "${other}", online: ${online}`)).id;
      const moving = () =>
        citus.rows(`SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT citus_schema_move%' AND state = 'active'`);
      {
        // Citus waits for this transaction.
        await using writing = await citus.session();
        await writing.client.query(`BEGIN; UPDATE ${schema}.products SET stock = stock`);
        const id = await start();
        await vi.waitFor(async () => expect(await moving()).toHaveLength(1), 20_000);
        // Long enough to copy what there is.
        await sleep(2_000);
        await fleet().ask(`mutation { cancelTenantTransfer(id: "${id}") { id } }`);
        expect(await fleet().ended(id)).toMatchObject({ status: 'CANCELLED' });
        expect(await moving()).toEqual([]);
      }
      expect((await fleet().placeOf('west')).placement).toEqual(placement);
      await fleet().ask(order, headers);
      expect(await fleet().ended(await start())).toEqual({ status: 'SUCCEEDED', error: null });
      expect((await fleet().placeOf('west')).placement).toEqual({ schema, node: other });
      await fleet().ask(order, headers);
      const slots = () =>
        citus.onEachWorker('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()');
      await vi.waitFor(async () => expect((await slots()).flat()).toEqual([]), { timeout: 60_000, interval: 500 });
    },
  );
});
