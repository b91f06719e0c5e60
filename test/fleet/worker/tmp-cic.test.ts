import { expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';

it('cic', async () => {
  await using fleet = await Fleet.start({ MIGRATION_CONCURRENCY: '8' });
  const slugs = Array.from({ length: 8 }, (_, i) => `t-${i}`);
  await fleet.createTenants(Object.fromEntries(slugs.map((slug) => [slug, 'SCHEMA' as const])));
  for (const slug of slugs) await fleet.inTenant(slug, `CREATE TABLE big AS SELECT n, md5(n::text) AS t FROM generate_series(1, 150000) n`);
  const deadlocks = async () => (await fleet.inTenant<{ d: number }>('t-0', `SELECT deadlocks::int AS d FROM pg_stat_database WHERE datname = current_database()`))[0]?.d;
  for (const [index, where] of [['plain', ''], ['partial', `WHERE md5(t) > 'a'`], ['expression', '']].entries()) {
    for (const concurrency of [1, 8]) {
      const name = `2027010100000${index}_${where[0]}_${concurrency}`;
      const cols = where[0] === 'expression' ? '(md5(md5(t)))' : '(t)';
      await fleet.migrations.addClass(name, `isTransactional() { return false; } up() { this.addSql("CREATE INDEX CONCURRENTLY ${where[0]}_${concurrency} ON big ${cols} ${where[1]}"); } down() {}`);
      const start = performance.now();
      const run = await fleet.run(`, concurrency: ${concurrency}`);
      console.log(where[0], concurrency, Math.round(performance.now() - start), run.status, Math.max(...run.items.nodes.map((n) => n.durationMs ?? 0)), run.items.nodes.map((n) => n.attempts).join(), 'deadlocks', await deadlocks());
      expect(run.status).toBe('SUCCEEDED');
    }
  }
});
