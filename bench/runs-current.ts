import { insertCurrentTenants } from './current-tenants.ts';
import { type Benchmark, interleave, limit, quantile, timed } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { runFleet } from './run-fleet.ts';

const TENANTS = 10_000;

/** A deployment without new migrations. */
export const runsCurrent: Benchmark = {
  name: 'runs-current',
  about: `a run with nothing to do over ${TENANTS} tenants, compared with one statement that writes a row for each`,
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp();
    await app.prepared;
    await insertCurrentTenants(app.services, TENANTS);
    const sessions = await watchTenants(place);
    const before = await sessions();
    const { plain, tenantry } = await interleave(
      {
        plain: await plainRows(place),
        tenantry: () => timed(() => runFleet(app.services, { succeeded: 0, skipped: TENANTS })),
      },
      { rounds: 10, warmUp: 2, signal },
    );
    const [baseline, figure] = [quantile(plain, 0.5), quantile(tenantry, 0.5)];
    return [
      limit(`nothing to do for ${TENANTS} tenants`, 'ms', { atMost: 1_000 }, figure, baseline),
      limit('connections to tenants’ databases', 'sessions', { atMost: 0 }, (await sessions()) - before),
    ];
  },
};

/** Only writes a row for each tenant. */
async function plainRows(place: BenchInstallation): Promise<(round: number) => Promise<number>> {
  const client = await place.connect(place.env.AUTH_DATABASE);
  await client.query('CREATE TABLE plain_items (run integer, tenant_id uuid, PRIMARY KEY (run, tenant_id))');
  return (round: number) =>
    timed(() => client.query('INSERT INTO plain_items SELECT $1, id FROM tenants ORDER BY created_at, id', [round]));
}

/** Counts all past and present sessions in the databases with tenants' tables. */
async function watchTenants(place: BenchInstallation): Promise<() => Promise<number>> {
  const client = await place.connect();
  return async () => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT sum(sessions)::int AS count FROM pg_stat_database WHERE datname = $1 OR datname LIKE 'db\\_%'`,
      [place.env.SHARED_DATABASE],
    );
    return rows[0]?.count ?? Number.NaN;
  };
}
