import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet } from '../../support/fleet.ts';

const slugs = Array.from({ length: 6 }, (_, index) => `schema-${index}`);

it('indexes of many tenants of one database are built at once, and wait for older transactions without being built again', async () => {
  await using fleet = await Fleet.start({ MIGRATION_CONCURRENCY: '6' });
  await fleet.createTenants(Object.fromEntries([...slugs, 'other'].map((slug) => [slug, 'SCHEMA' as const])));
  // For indexes with an expression, PostgreSQL waits for the builds of other tables too.
  await fleet.migrations.addClass(
    '20270101000000_index',
    `isTransactional() { return false; }
     up() {
       this.addSql('CREATE INDEX CONCURRENTLY products_lower ON products (lower(name)) WHERE lower(name) > name');
       this.addSql("CREATE TABLE IF NOT EXISTS waited AS SELECT extract(epoch FROM current_setting('lock_timeout')::interval)::int AS seconds");
     }
     down() { this.addSql('DROP INDEX CONCURRENTLY products_lower'); this.addSql('DROP TABLE waited'); }`,
  );
  const other = await fleet.sessionIn('other');
  await other.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM products');
  const run = await fleet.startRun(`, tenants: ${JSON.stringify(slugs)}`);
  await eventually('all builds wait for the transaction', async () => {
    // A transaction sees the same activity until its end, so another session looks.
    const phases = await fleet.inTenant<{ phase: string }>('other', 'SELECT phase FROM pg_stat_progress_create_index');
    return phases.filter(({ phase }) => phase === 'waiting for old snapshots').length === slugs.length;
  });
  await other.query('COMMIT');
  await fleet.events(run);
  const { status, items } = await fleet.runNow(run);
  expect(status).toBe('SUCCEEDED');
  expect(items.nodes.map(({ attempts }) => attempts)).toEqual(slugs.map(() => 1));
  // A transaction of a tenant may take two minutes by default, and a migration longer.
  expect(await fleet.inTenant('schema-0', 'SELECT seconds FROM waited')).toEqual([{ seconds: 3600 }]);
});
