import { expect, it } from 'vitest';
import { commandsOf } from '../../support/run-command.ts';
import { useMixedFleet } from '../../support/use-mixed-fleet.ts';

const mixed = useMixedFleet();

const order = (run: {
  readonly items: { readonly nodes: readonly { readonly tenant: { readonly slug: string } }[] };
}) => run.items.nodes.map(({ tenant }) => tenant.slug);

it('takes the smallest tenants first, after the canaries, in waves and without', async () => {
  const { fleet } = mixed;
  await mixed.add('CREATE TABLE readings (value int)');
  await fleet.run();
  const rows = { 'alpha-db': 30_000, 'beta-schema': 2_000, 'gamma-db': 0, 'delta-schema': 10_000 };
  for (const [slug, count] of Object.entries(rows)) {
    await fleet.inTenant(slug, `INSERT INTO readings SELECT generate_series(1, ${count})`);
  }
  await mixed.add('SELECT 1');
  const smallest = ['gamma-db', 'beta-schema', 'delta-schema', 'alpha-db'];
  expect(order(await fleet.run('order: SIZE, dryRun: true'))).toEqual(smallest);
  expect(order(await fleet.run('dryRun: true'))).toEqual(mixed.slugs);
  expect(
    order(
      await fleet.run(
        'order: SIZE, dryRun: true, canaries: ["delta-schema"], tenants: ["alpha-db", "delta-schema", "gamma-db"]',
      ),
    ),
  ).toEqual(['delta-schema', 'gamma-db', 'alpha-db']);

  // A tenant whose tables cannot be read is not waited for.
  const session = await fleet.sessionIn('gamma-db');
  await session.query('BEGIN; LOCK TABLE readings IN ACCESS EXCLUSIVE MODE');
  const run = await fleet.run('order: SIZE, waves: ["1", "2"]');
  expect(order(run)).toEqual(['beta-schema', 'delta-schema', 'alpha-db', 'gamma-db']);
  expect(run.status).toBe('SUCCEEDED');
  await fleet.end(session);
  const waves = await fleet.inCatalog<{ wave: number }>(
    'SELECT wave FROM migration_run_items WHERE run_id = $1 ORDER BY position',
    [run.id],
  );
  expect(waves.map(({ wave }) => wave)).toEqual([1, 2, 2, 3]);
});

it('has the option on the command line', async () => {
  await mixed.add('SELECT 1');
  const { exit, stdout } = await commandsOf(mixed.fleet.app)('migrate', 'up', '--order', 'size', '--json');
  expect({ exit, status: JSON.parse(stdout).status }).toEqual({ exit: 0, status: 'SUCCEEDED' });
  const [run] = await mixed.fleet.inCatalog<{ id: string }>(
    'SELECT id FROM migration_runs ORDER BY created_at DESC LIMIT 1',
  );
  expect(order(await mixed.fleet.runNow(run?.id ?? ''))).toEqual([
    'gamma-db',
    'beta-schema',
    'delta-schema',
    'alpha-db',
  ]);
  expect((await commandsOf(mixed.fleet.app)('migrate', 'up', '--order', 'age')).exit).toBe(2);
});
