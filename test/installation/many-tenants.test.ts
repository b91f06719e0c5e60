import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendWatch } from '../support/backends.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

const budget = 20;
const count = 200;

describe('ten times as many tenants as connections', () => {
  let app: TestApp;
  let tenants: TestTenant[];
  beforeAll(async () => {
    app = await startTestApp({ CONNECTION_BUDGET: String(budget), CONNECTION_WAIT_MS: '60000' });
    tenants = await createTenants(
      app,
      Array.from({ length: count }, (_, index) => (index % 20 === 0 ? 'DATABASE' : 'SCHEMA')),
    );
  });
  afterAll(() => app[Symbol.asyncDispose]());

  it('are all served when they all ask at once, and the budget is never exceeded', async () => {
    const address = app.services.servers.get('default')?.address ?? expect.unreachable();
    await using watch = await BackendWatch.start({ ...address, database: address.maintenanceDatabase });
    for (let round = 1; round <= 2; round += 1) {
      const answers = await Promise.all(
        tenants.map(({ slug, member }) =>
          app.ask(
            `mutation { createProduct(input: { sku: "${slug}-${round}", name: "n", price: "1.00", currency: "EUR" }) { sku } }`,
            member,
          ),
        ),
      );
      expect(answers).toEqual(tenants.map(({ slug }) => ({ data: { createProduct: { sku: `${slug}-${round}` } } })));
    }
    const lists = await Promise.all(tenants.map(({ member }) => app.ask('{ products { nodes { sku } } }', member)));
    expect(lists.map(({ data }) => data?.products)).toEqual(
      tenants.map(({ slug }) => ({
        nodes: expect.toSatisfy(
          (nodes: { sku: string }[]) => `${nodes.map(({ sku }) => sku).toSorted()}` === `${slug}-1,${slug}-2`,
        ),
      })),
    );
    const peak = await watch.peak();
    expect(peak).toBeLessThanOrEqual(budget);
    // Tenants could use all places but the three that are reserved for the system, and did.
    expect(peak).toBeGreaterThanOrEqual(budget - 3);
  });
});
