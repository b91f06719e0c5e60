import { fleetPlan } from '../src/cli/commands/migrate-up.ts';
import { followRun } from '../src/fleet/events/events.ts';
import { makeMigrationDir } from '../test/support/migration-dir.ts';
import { type Benchmark, limit } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { createTenants } from './tenants.ts';

const ROWS = 2_000_000;

/** A statement for each kind of work that depends on the size of a table, by the name of its migration. */
const statements = {
  '20270102000001_index': 'CREATE INDEX readings_value ON readings (value)',
  '20270102000002_check': 'ALTER TABLE readings ADD CONSTRAINT positive CHECK (value >= 0)',
  '20270102000005_foreign_key': 'ALTER TABLE readings ADD FOREIGN KEY (sensor) REFERENCES sensors',
  '20270102000006_rewrite': 'ALTER TABLE readings ALTER COLUMN value TYPE bigint',
  '20270102000007_rows': 'UPDATE readings SET value = value + 1',
} as const;

/** How well the impact of a plan is estimated, for the one tenant of a fleet that has many rows. */
export const impact: Benchmark = {
  name: 'impact',
  about: `the estimated lock times in a tenant with ${ROWS} rows, compared with what a run over 50 tenants then takes there`,
  async run() {
    await using migrations = await makeMigrationDir();
    await migrations.add(
      '20270101000000_readings',
      'CREATE TABLE sensors (id int PRIMARY KEY)',
      'CREATE TABLE readings (id bigint PRIMARY KEY, sensor int, value int)',
    );
    await using place = await openBenchInstallation();
    await using app = await place.openApp({ TENANT_MIGRATIONS_DIR: migrations.path, WORKER: 'inline' });
    const { services } = app;
    const [large = ''] = await createTenants(services, 10, { isolation: 'DATABASE' });
    await createTenants(services, 40, { isolation: 'SCHEMA' });
    const tenant = await services.directory.byReference(large);
    if (!tenant) throw new Error(`The tenant ${large} is not found`);
    const query = <Row extends object>(sql: string) =>
      services.tenants.pool(tenant).use(async (client) => {
        await client.query('SET statement_timeout = 0');
        return (await client.query<Row>(sql)).rows;
      });
    await query('INSERT INTO sensors SELECT generate_series(0, 999)');
    await query(`INSERT INTO readings SELECT i, i % 1000, i FROM generate_series(1, ${ROWS}) AS i`);

    for (const [name, sql] of Object.entries(statements)) await migrations.add(name, sql);
    const impacts = await services.impacts.measure(await fleetPlan(services, { verify: false }));
    const request = { dryRun: false, continueOnError: true, verify: false, separateTransactions: true };
    const run = await services.runs.start(request);
    for await (const { kind, message } of followRun(services.catalog, services.listener, run)) {
      if (kind === 'TENANT_FAILED') throw new Error(message ?? '');
    }
    const took = await query<{ name: string; ms: number }>('SELECT name, duration_ms AS ms FROM migration_history');
    return impacts.map(({ warning: { migration }, largest: [first] }) => {
      if (first?.tenant.slug !== large) throw new Error(`${migration}: the largest tenant is ${first?.tenant.slug}`);
      const actual = took.find(({ name }) => name === migration)?.ms ?? Number.NaN;
      const ratio = (first.lockMs ?? Number.NaN) / actual;
      // Too long is as wrong as too short.
      return limit(
        `estimate for ${migration.slice(15)}, too long or too short`,
        '×',
        { atMost: 3 },
        Math.max(ratio, 1 / ratio),
      );
    });
  },
};
