import { expect, it } from 'vitest';
import { codeOf } from '../support/accounts.ts';
import { askAsSuperuser } from '../support/ask-as-superuser.ts';
import { productList, productsAre } from '../support/pooled-installation.ts';
import { startTestApp } from '../support/start-app.ts';
import { createTenants } from '../support/tenants.ts';

const TENANTS = 8;

it.each([
  // A copy of a schema takes several connections, so the smallest budget is too small for it.
  ['SCHEMA', '8'],
  ['DATABASE', '5'],
] as const)(
  'work that needs further connections gets them, also while much else is under way: isolation %s, a budget of %s',
  async (isolation, CONNECTION_BUDGET) => {
    await using app = await startTestApp({ CONNECTION_BUDGET });
    const tenants = await createTenants(app, Array(TENANTS).fill(isolation));
    const forAll = (mutation: (slug: string, index: number) => string) =>
      Promise.all(tenants.map(({ slug }, index) => app.ask(`mutation { ${mutation(slug, index)} }`, app.admin)));

    // A role is renewed under a lock, while the catalog is asked whether it may be. This happens after a change of ROLE_SECRET.
    for (const { row } of tenants) await askAsSuperuser(app, `ALTER ROLE tenant_${row.key} PASSWORD 'another'`);
    const answers = await Promise.all(tenants.map(({ member }) => app.ask(productList, member)));
    expect(answers).toEqual(Array(TENANTS).fill(productsAre()));

    // While a request holds the connection on which a table was missing, it is found out whether all of them are.
    const renameTables = async (from: string, to: string) => {
      for (const { row } of tenants) {
        await askAsSuperuser(app, `ALTER TABLE "${row.schema}".${from} RENAME TO ${to}`, [], row.database);
      }
    };
    await renameTables('products', 'goods');
    const missing = await Promise.all([...tenants, ...tenants].map(({ member }) => app.ask(productList, member)));
    expect(missing.map(codeOf)).toEqual(Array(2 * TENANTS).fill('INTERNAL_SERVER_ERROR'));
    await renameTables('goods', 'products');

    const made = await forAll((slug) => `createCheckpoint(tenant: "${slug}") { id }`);
    expect(made.map(({ errors }) => errors)).toEqual(Array(TENANTS).fill(undefined));
    const ids = made.map(({ data }) => (data as { createCheckpoint: { id: string } }).createCheckpoint.id);
    // The new database is connected to under the lock on the old one.
    const restored = await forAll(
      (_, index) => `restoreCheckpoint(id: "${ids[index]}", acceptDataLoss: true) { status }`,
    );
    expect(restored).toEqual(Array(TENANTS).fill({ data: { restoreCheckpoint: { status: 'ACTIVE' } } }));

    const suspended = await forAll((slug) => `suspendTenant(id: "${slug}") { status }`);
    expect(suspended).toEqual(Array(TENANTS).fill({ data: { suspendTenant: { status: 'SUSPENDED' } } }));
    const activated = await forAll((slug) => `activateTenant(id: "${slug}") { status }`);
    expect(activated).toEqual(Array(TENANTS).fill({ data: { activateTenant: { status: 'ACTIVE' } } }));
    const deleted = await forAll((slug) => `deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { id }`);
    expect(deleted.map(({ errors }) => errors)).toEqual(Array(TENANTS).fill(undefined));
  },
);

it('a copy says which budget it needs, and fails, where the budget is too small', async () => {
  await using app = await startTestApp({ CONNECTION_BUDGET: '7' });
  const [tenant] = await createTenants(app, ['SCHEMA']);
  const { errors } = await app.ask(`mutation { createCheckpoint(tenant: "${tenant?.slug}") { id } }`, app.admin);
  const message =
    'Copying a tenant takes a process that may open 8 connections to the server default, and this one may open 7. Raise CONNECTION_BUDGET, which all SERVER_PROCESSES share; if it is auto, raise max_connections of PostgreSQL or start fewer processes.';
  expect(errors).toMatchObject([{ message, extensions: { code: 'CONFLICT' } }]);
});
