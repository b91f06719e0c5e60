import { expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';

it('a run that works on one tenant at a time, and waits for it, does not keep another run from its tenants', async () => {
  await using fleet = await Fleet.start({ MIGRATION_CONCURRENCY: '2', MIGRATION_LOCK_TIMEOUT_MS: '60000' });
  const slugs = ['one-schema', 'two-schema', 'three-schema', 'four-schema', 'five-schema'];
  for (const slug of [...slugs, 'urgent']) await fleet.createTenants({ [slug]: 'SCHEMA' });
  await fleet.migrations.add('20270101000000_step', 'ALTER TABLE products ADD COLUMN step int');
  const blocker = await fleet.sessionIn('one-schema');
  await blocker.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
  const slow = await fleet.startRun(`concurrency: 1, tenants: ${JSON.stringify(slugs)}`);
  for await (const { kind } of fleet.follow(slow)) if (kind === 'TENANT_STARTED') break;

  expect(await fleet.run('tenants: ["urgent"]')).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
  expect(await fleet.runNow(slow)).toMatchObject({ status: 'RUNNING', pending: slugs.length });

  await fleet.end(blocker);
  await fleet.events(slow);
  expect(await fleet.runNow(slow)).toMatchObject({ status: 'SUCCEEDED', succeeded: slugs.length });
});
