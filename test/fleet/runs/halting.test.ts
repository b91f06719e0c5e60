import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet, kindsOf, statusesOf } from '../../support/fleet.ts';

it('a run that halts can be cancelled, so that it need not wait for a tenant that does not end', async () => {
  await using fleet = await Fleet.start({ SHUTDOWN_SECONDS: '1' });
  await fleet.createTenants({ sleeps: 'DATABASE', fails: 'SCHEMA', waits: 'DATABASE' });
  for (const slug of ['sleeps', 'fails']) {
    await fleet.inTenant(
      slug,
      `INSERT INTO products (sku, name, price, currency, stock) VALUES ('x', '${slug}', 1, 'EUR', 0)`,
    );
  }
  await fleet.migrations.add(
    '20270101000000_step',
    `SELECT pg_sleep(3600) FROM products WHERE name = 'sleeps'`,
    `SELECT 1 / stock FROM products WHERE name = 'fails'`,
  );
  const run = await fleet.startRun('continueOnError: false, concurrency: 2');
  await eventually('it halts, and only one tenant is under way', async () => {
    const { status, failed, cancelled } = await fleet.runNow(run);
    return status === 'RUNNING' && failed === 1 && cancelled === 1;
  });

  // Twice is no more than once.
  expect([await fleet.cancel(run), await fleet.cancel(run)]).toEqual([true, true]);
  const events = await fleet.events(run);
  expect(events.filter(({ kind }) => kind === 'RUN_CANCELLED')).toHaveLength(1);
  expect(kindsOf(events, 'sleeps')).toEqual(['TENANT_STARTED', 'TENANT_RETRYING']);
  const ended = await fleet.runNow(run);
  expect(ended).toMatchObject({ status: 'CANCELLED', failed: 1, cancelled: 2, pending: 0 });
  expect(statusesOf(ended)).toEqual({ sleeps: 'CANCELLED', fails: 'FAILED', waits: 'CANCELLED' });
});
