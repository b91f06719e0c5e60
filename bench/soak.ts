import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readVitals, type Vitals, vitalsMonitor } from '../test/support/vitals.ts';
import { makeMigrationFolder } from './fleet.ts';
import { type Benchmark, limit, quantile, type Result } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { startServer } from './server-process.ts';
import { attacks } from './soak-abuse.ts';
import { prepareSend } from './soak-client.ts';
import { causeFaults } from './soak-faults.ts';
import { behave, loadKinds } from './soak-load.ts';
import { SoakRecord } from './soak-record.ts';
import { countRows, SEEDED, seedTenants } from './soak-seed.ts';

const TENANTS = 50;
const SECONDS = Number(process.env.SOAK_SECONDS || 600);

/** Load, abuse and faults at the same time, for a long time. Nothing may break and memory must not grow. */
export const soak: Benchmark = {
  name: 'soak',
  about: `ten minutes (or SOAK_SECONDS) of load and abuse over ${TENANTS} tenants, with a worker killed and PostgreSQL restarted; only runs when named`,
  async run(signal) {
    await using place = await openBenchInstallation();
    const migrationsDir = await makeMigrationFolder(place);
    const env = { TENANT_MIGRATIONS_DIR: migrationsDir, WORKER: 'off' };
    const { slugs, token } = await seed();
    const [socket, logFile] = [path.join(place.folder, 'vitals'), path.join(place.folder, 'server.log')];
    const monitor = { NODE_OPTIONS: `--import=${vitalsMonitor}`, VITALS_SOCKET: socket };
    const settings = { ...env, ...monitor, TRUSTED_PROXIES: '1', LOG_LEVEL: 'warn' };
    const url = await startServer(place, '../test/fixture/main.ts', settings, logFile);

    const record = new SoakRecord();
    const send = prepareSend(url, record);
    const failed = new AbortController();
    const totalMs = SECONDS * 1000;
    const until = AbortSignal.any([signal, failed.signal, AbortSignal.timeout(totalMs)]);
    const [attackers, people] = [slugs.slice(0, attacks.length), slugs.slice(attacks.length)];
    const vitals: Vitals[] = [];
    const faults = { place, record, send, token, tenants: TENANTS, migrationsDir, totalMs };
    const load = Promise.all(people.map((tenant, number) => behave(send, tenant, number, until)));
    const everything = [
      load,
      causeFaults({ ...faults, signal: AbortSignal.any([signal, failed.signal]) }),
      watch(socket, until, vitals),
      ...attacks.map((attack, index) =>
        attack({ send, own: attackers[index] ?? '', victim: people[index] ?? '', until }),
      ),
    ];
    await Promise.all(everything).catch(async (error: unknown) => {
      failed.abort(error);
      // Work in progress, such as the restart, must end before the clean-up.
      await Promise.allSettled(everything);
      throw error;
    });
    const created = await load;
    signal.throwIfAborted();
    process.stderr.write(`Latencies in milliseconds:\n${record.table()}\n`);
    const idle = loadKinds.filter((kind) => record.answered(kind) === 0);
    if (idle.length > 0) throw new Error(`No request of these kinds succeeded: ${idle.join(', ')}`);
    const stored = await countRows(place);
    const lost = people.map((tenant, index) =>
      Math.max(SEEDED + (created[index] ?? 0) - (stored.get(tenant)?.own ?? 0), 0),
    );
    const foreign = sum([...stored.values()].map((rows) => rows.foreign));
    return [
      limit('internal or unmasked errors', 'answers', { atMost: 0 }, record.internal),
      limit('unexpected answers', 'answers', { atMost: 0 }, record.unexpected),
      limit('unexplained errors in the log', 'lines', { atMost: 0 }, await logErrors(logFile, record)),
      limit('rows shown to another tenant', 'answers', { atMost: 0 }, record.leaks),
      limit('rows stored in another tenant', 'rows', { atMost: 0 }, foreign),
      limit('acknowledged rows that were lost', 'rows', { atMost: 0 }, sum(lost)),
      growth(
        'resident memory, last fifth',
        vitals.map(({ rssBytes }) => rssBytes),
      ),
      growth(
        'heap, last fifth',
        vitals.map(({ heapUsedBytes }) => heapUsedBytes),
      ),
    ];

    async function seed() {
      await using app = await place.openApp(env);
      await app.prepared;
      const { services } = app;
      const slugs = await seedTenants(services, TENANTS);
      return { slugs, token: await services.tokens.issue({ platformAdmin: true, expiresIn: '2h' }) };
    }
  },
};

/** Reads a server's vitals each second. */
async function watch(socket: string, until: AbortSignal, vitals: Vitals[]): Promise<void> {
  while (!until.aborted) {
    vitals.push(await readVitals(socket));
    // Only the end rejects it.
    await sleep(1000, undefined, { signal: until }).catch(() => undefined);
  }
}

/** Compares the median of the last fifth with that of the second fifth, in megabytes. */
function growth(what: string, bytes: readonly number[]): Result {
  const fifth = bytes.length / 5;
  const before = quantile(bytes.slice(fifth, 2 * fifth), 0.5) / 1e6;
  const after = quantile(bytes.slice(4 * fifth), 0.5) / 1e6;
  const { ratio, met } = { ratio: after / before, met: after / before <= 1.15 };
  return { what, unit: 'MB', baseline: before, tenantry: after, ratio, target: '≤ 1.15 ×', met };
}

/** Counts the server's errors outside of outages. */
async function logErrors(logFile: string, record: SoakRecord): Promise<number> {
  const lines = (await readFile(logFile, 'utf8')).split('\n').filter(Boolean);
  let count = 0;
  for (const line of lines) {
    // Lines that pino has not written are not errors of the server.
    const { level, time } = line.startsWith('{')
      ? (JSON.parse(line) as { level: number; time: number })
      : { level: 0, time: 0 };
    if (level < 50 || (record.inOutage(time) && !line.includes('unexpected error'))) continue;
    count += 1;
    record.complain(`Log: ${line.slice(0, 1000)}`);
  }
  return count;
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}
