import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeCitus, useCitusFleet } from '../../support/citus-fleet.ts';

describeCitus('archives of tenants on the nodes of a Citus cluster', () => {
  const fleet = useCitusFleet(['north']);
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-citus-'));
    await fleet().addProduct('north', 'tea');
    await order('north');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function order(slug: string): Promise<void> {
    const { products } = await fleet().ask<{ products: { nodes: { id: string }[] } }>(
      '{ products { nodes { id } } }',
      await fleet().ownerOf(slug),
    );
    const lines = products.nodes.map(({ id }) => `{ product: "${id}", quantity: 2 }`).join(' ');
    const mutation = `mutation { placeOrder(input: { lines: [${lines}] }) { total } }`;
    await fleet().ask(mutation, await fleet().ownerOf(slug));
  }
  const sold = async (slug: string) =>
    fleet().ask('{ orders { nodes { total lines { quantity product { id sku } } } } }', await fleet().ownerOf(slug));

  it.each(['SCHEMA', 'DATABASE'])('are written, and imported with isolation %s', async (isolation) => {
    const file = path.join(folder, isolation);
    const slug = `north-${isolation.toLowerCase()}`;
    await fleet().command('tenant', 'export', 'north', '--out', file);
    const to = ['--slug', slug, '--isolation', isolation];
    await fleet().command('tenant', 'import', file, ...to);
    const { node } = (await fleet().placeOf(slug)).placement;
    if (isolation === 'SCHEMA') expect(fleet().citus.nodes).toContain(node);
    else expect(node).toBeNull();
    expect(await sold(slug)).toEqual(await sold('north'));
    // It is not the other's.
    await order(slug);
    expect(await sold(slug)).not.toEqual(await sold('north'));
  });

  it('hold what is of one moment, while orders go on', async () => {
    const file = path.join(folder, 'moment');
    let isWritten = false;
    const ordering = (async () => {
      while (!isWritten) await order('north');
    })();
    try {
      await fleet().command('tenant', 'export', 'north', '--out', file);
    } finally {
      isWritten = true;
      await ordering;
    }
    // Foreign keys are checked, and the next ids are free.
    await fleet().command('tenant', 'import', file, '--slug', 'moment', '--isolation', 'SCHEMA');
    await order('moment');
  });

  it.each(['csv', 'json'])('can be read as %s', async (format) => {
    const file = path.join(folder, `${format}.zip`);
    await fleet().command('tenant', 'export', 'north', '--format', format, '--out', file);
  });
});
