import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlainPostgres } from '../support/plain-postgres.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

/** Debian's PostgreSQL, where it is installed, has another version than the embedded one. */
describe('between servers with different versions of PostgreSQL', () => {
  let lab: TransferLab;
  let other: PlainPostgres;
  beforeAll(async () => {
    [lab, other] = await Promise.all([startTransferLab(), PlainPostgres.start()]);
    await lab.app.services.servers.add('other', other.urlWith());
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });

  const succeeded = { status: 'SUCCEEDED', error: null };

  it.each(['DATABASE', 'SCHEMA'] as const)('a tenant with isolation %s is moved there and back', async (isolation) => {
    const slug = `moved-${isolation.toLowerCase()}`;
    await lab.createTenant(slug, isolation);
    await lab.addProducts(slug, 'one');
    for (const server of ['other', 'default']) {
      const transfer = await lab.move(slug, `server: "${server}", keepHours: 0`);
      expect(await lab.ended(transfer)).toMatchObject(succeeded);
      expect(await lab.skusOf(slug)).toEqual(['one']);
      expect(await lab.findings()).toEqual([]);
    }
  });

  it.each(['DATABASE', 'SCHEMA'] as const)('a tenant with isolation %s is cloned to the other', async (isolation) => {
    const slug = `cloned-${isolation.toLowerCase()}`;
    await lab.createTenant(slug, isolation);
    await lab.addProducts(slug, 'one');
    const transfer = await lab.clone(`tenant: "${slug}", slug: "${slug}-2", server: "other"`);
    expect(await lab.ended(transfer)).toMatchObject(succeeded);
    expect(await lab.skusOf(`${slug}-2`)).toEqual(['one']);
  });
});
