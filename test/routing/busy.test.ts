import { expect, it } from 'vitest';
import { startTestApp } from '../support/start-app.ts';

it('a request that gets no connection in time fails with SERVER_BUSY and says when to retry', async () => {
  await using app = await startTestApp({ TENANT_POOL_SIZE: '1', CONNECTION_WAIT_MS: '50' });
  await app.ask('mutation { createTenant(input: { slug: "busy", name: "x", isolation: SCHEMA }) { id } }', app.admin);
  const tenant = await app.services.directory.byReference('busy');
  if (!tenant) throw new Error('the tenant is not there');
  const held = await app.services.tenants.pool(tenant).connect();
  const { errors } = await app.ask('{ products { totalCount } }', await app.tokenFor('busy'));
  held.release();
  expect(errors).toMatchObject([
    {
      message: 'No database connection came free within 50 ms. Try again in a moment.',
      extensions: { code: 'SERVER_BUSY', retryAfterMs: 1000 },
    },
  ]);
});
