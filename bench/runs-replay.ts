import { insertCurrentTenants } from './current-tenants.ts';
import { type Benchmark, interleave, limit, quantile, timed } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { runFleet } from './run-fleet.ts';
import { startServer } from './server-process.ts';

const EVENTS = 10_000;
/** Each tenant has three events: started, migration applied, succeeded. */
const TENANTS = Math.ceil(EVENTS / 3);

/** A subscriber who joins a run late. */
export const runsReplay: Benchmark = {
  name: 'runs-replay',
  about: `a subscription over HTTP that joins after ${EVENTS} events, compared with reading them with plain pg`,
  async run(signal) {
    await using place = await openBenchInstallation();
    const { run, token } = await seed(place);
    const url = await startServer(place, '../test/fixture/main.ts');
    const { plain, tenantry } = await interleave(
      { plain: await plainRead(place, run), tenantry: () => timed(() => subscribe(url, token, run)) },
      { rounds: 10, warmUp: 2, signal },
    );
    const [baseline, figure] = [quantile(plain, 0.5), quantile(tenantry, 0.5)];
    return [limit(`replay ${EVENTS} events`, 'ms', { atMost: 1_000 }, figure, baseline)];
  },
};

/** Creates a run with as many events. Returns its id and a platform admin's token. */
async function seed(place: BenchInstallation): Promise<{ run: string; token: string }> {
  await using app = await place.openApp();
  const { services } = app;
  await app.prepared;
  await insertCurrentTenants(services, TENANTS);
  const run = await runFleet(services, { succeeded: 0, skipped: TENANTS });
  await services.catalog.use(async (client) => {
    await client.query('DELETE FROM migration_events WHERE run_id = $1', [run]);
    await client.query(
      `INSERT INTO migration_events (run_id, seq, kind, tenant_id, migration, message, done, total)
       SELECT $1, n, k.kind, t.id, CASE k.kind WHEN 'MIGRATION_APPLIED' THEN 'Migration20270101000000' END, k.message, n / 3, $2
       FROM generate_series(1, $3) n
         JOIN (SELECT id, row_number() OVER (ORDER BY created_at, id) AS position FROM tenants) t ON t.position = (n + 2) / 3
         JOIN (VALUES (1, 'TENANT_STARTED', 'work begins'), (2, 'MIGRATION_APPLIED', 'applied in 3 ms'),
           (0, 'TENANT_SUCCEEDED', 'done in 9 ms')) k (rest, kind, message) ON k.rest = n % 3`,
      [run, TENANTS, EVENTS],
    );
    await client.query('UPDATE migration_runs SET last_seq = $2 WHERE id = $1', [run, EVENTS]);
    await client.query('ANALYZE');
  });
  return { run, token: await services.tokens.issue({ platformAdmin: true, expiresIn: '1h' }) };
}

/** Reads the same rows and formats them as events. */
async function plainRead(place: BenchInstallation, run: string): Promise<() => Promise<number>> {
  const client = await place.connect(place.env.AUTH_DATABASE);
  const read = async () => {
    const { rows } = await client.query(
      `SELECT e.seq, e.at, e.kind, t.slug, e.migration, e.message, e.done, e.total
       FROM migration_events e LEFT JOIN tenants t ON t.id = e.tenant_id WHERE e.run_id = $1 ORDER BY e.seq`,
      [run],
    );
    const text = rows.map((row) => `event: next\ndata: ${JSON.stringify(row)}\n\n`).join('');
    if (count(text) !== EVENTS) throw new Error('Some events are missing');
  };
  return () => timed(read);
}

async function subscribe(url: string, token: string, run: string): Promise<void> {
  const query = `subscription { migrationProgress(run: "${run}") {
    seq at kind tenant { slug } migration message done total rate remainingSeconds } }`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  const text = await response.text();
  if (count(text) !== EVENTS || text.includes('"errors"'))
    throw new Error(`Some events are missing: ${text.slice(0, 1000)}`);
}

/** Counts the events in a stream. */
function count(text: string): number {
  return text.split('"seq":').length - 1;
}
