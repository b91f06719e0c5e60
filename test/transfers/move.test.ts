import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

describe('a move', () => {
  let lab: TransferLab;
  beforeAll(async () => {
    lab = await startTransferLab();
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it.each([
    ['DATABASE', 'DATABASE', 'b'],
    ['DATABASE', 'SCHEMA', 'b'],
    ['SCHEMA', 'DATABASE', 'b'],
    ['SCHEMA', 'SCHEMA', 'b'],
    ['DATABASE', 'SCHEMA', 'default'],
    ['SCHEMA', 'DATABASE', 'default'],
  ] as const)('from a %s to a %s on the server %s takes everything along', async (from, to, server) => {
    const slug = `${from}-${to}-${server}`.toLowerCase();
    await lab.createTenant(slug, from);
    await lab.addProducts(slug, 'one', 'two', 'three');
    const before = await lab.placementOf(slug);
    const transfer = await lab.move(slug, `server: "${server}", isolation: ${to}, keepHours: 0`);
    expect(await lab.ended(transfer)).toMatchObject({ status: 'SUCCEEDED', error: null, kind: 'MOVE' });
    const after = await lab.placementOf(slug);
    expect(after).toMatchObject({ status: 'ACTIVE', isolation: to, placement: { server } });
    expect(after.placement).not.toEqual(before.placement);
    expect(await lab.skusOf(slug)).toEqual(['one', 'three', 'two']);
    await lab.addProducts(slug, 'four');
    expect(await lab.skusOf(slug)).toHaveLength(4);
    expect(await lab.findings()).toEqual([]);
  });
});
