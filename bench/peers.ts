import path from 'node:path';
import { readVitals, vitalsMonitor } from '../test/support/vitals.ts';
import { type Benchmark, compare, interleave, limit, type Result, type Target } from './harness.ts';
import { type Load, prepareLoad } from './http-load.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { connectInTurn } from './peers-connections.ts';
import { installPeer } from './peers-install.ts';
import { type Question, questionsFor } from './peers-queries.ts';
import { type PeerTenant, seedPeers, shop } from './peers-seed.ts';
import { startServer } from './server-process.ts';

const CONNECTIONS = 32;
const ROUNDS = 20;
const BLOCK_MS = 500;
/** Servers compile what they run often only after some thousands of requests. */
const WARM_UP_REQUESTS = 8_000;
/** As many tenants as are asked in turn: each with a connection, and more than the budget has connections for. */
const FEW = 50;
const TENANTS = 200;
const BUDGET = 64;
/** Enough for a few connections of each of {@link FEW} tenants. */
const AMPLE_BUDGET = 128;

/** A server that is measured. */
interface Contender {
  readonly url: string;
  /** The socket of its {@link vitalsMonitor}. */
  readonly socket: string;
}

/** Tenantry compared with PostGraphile, on the same PostgreSQL. Both verify a token and set the tenant's role. */
export const peers: Benchmark = {
  name: 'peers',
  about:
    'requests and CPU compared with PostGraphile 5, many tenants in turn, and memory; needs the example shop, and npm to install PostGraphile; only runs when named',
  async run(signal) {
    await using place = await openBenchInstallation();
    const script = await installPeer(place);
    const startTenantry = (name: string, budget: number) =>
      start(place, '../bin/tenantry', name, { ...shop, CONNECTION_BUDGET: String(budget) });
    const tenantry = await startTenantry('tenantry', AMPLE_BUDGET);
    const tenants = await seedPeers(place, tenantry.url, TENANTS);
    const [first] = tenants;
    if (!first) throw new Error('There is no tenant');
    const baseline = await start(place, script, 'baseline', {
      PEER_DATABASE_URL: first.databaseUrl,
      PEER_SCHEMA: first.schema,
      PEER_ROLE: first.role,
    });
    const results: Result[] = [];
    for (const question of questionsFor(first.product)) {
      results.push(...(await contest(question, { baseline, tenantry }, first, signal)));
    }
    results.push(
      await memory(tenantry, first, signal),
      await prepareTurns(place, tenantry).withOne(tenants.slice(0, FEW), { atLeast: 0.8 }, signal),
    );
    const small = await startTenantry('small', BUDGET);
    results.push(await prepareTurns(place, small).withConnecting(tenants, { atLeast: 0.6 }, signal));
    return results;
  },
};

/** Starts a server whose CPU time and memory can be read. */
async function start(
  place: BenchInstallation,
  script: string,
  name: string,
  env: Record<string, string>,
): Promise<Contender> {
  const socket = path.join(place.folder, `${name}.vitals`);
  const monitor = { NODE_OPTIONS: `--import=${vitalsMonitor}`, VITALS_SOCKET: socket };
  return { url: await startServer(place, script, { ...env, ...monitor }), socket };
}

/** Measures both servers with the same question: requests per second, and CPU time per request. */
async function contest(
  { what, sign, count, atLeast, cpuAtMost, ...texts }: Question,
  servers: Readonly<Record<'baseline' | 'tenantry', Contender>>,
  { token }: PeerTenant,
  signal: AbortSignal,
): Promise<Result[]> {
  const loads: Load[] = [];
  const cpu: Record<'baseline' | 'tenantry', number[]> = { baseline: [], tenantry: [] };
  const measured = async (name: 'baseline' | 'tenantry') => {
    const { url, socket } = servers[name];
    const load = prepareLoad(url, [token], CONNECTIONS, { query: texts[name], sign, count });
    loads.push(load);
    await send(load, WARM_UP_REQUESTS, signal);
    return async () => {
      const { cpuMs: before } = await readVitals(socket);
      const perSecond = await load.run(BLOCK_MS);
      const { cpuMs: after } = await readVitals(socket);
      cpu[name].push((after - before) / ((perSecond * BLOCK_MS) / 1000));
      return perSecond;
    };
  };
  const contenders = { baseline: await measured('baseline'), tenantry: await measured('tenantry') };
  const samples = await interleave(contenders, { rounds: ROUNDS, warmUp: 0, signal });
  for (const load of loads) load.close();
  return [
    compare(`${what}: requests`, '/s', { atLeast }, samples),
    ...(cpuAtMost === undefined ? [] : [compare(`${what}: CPU per request`, 'ms', { atMost: cpuAtMost }, cpu)]),
  ];
}

/** Asks tenants in turn, compared with a single tenant, or with the least that more tenants than connections cost. */
function prepareTurns(place: BenchInstallation, { url }: Contender) {
  const contest = async (
    what: string,
    tenants: readonly PeerTenant[],
    baseline: (ms: number) => Promise<number>,
    target: Target,
    signal: AbortSignal,
  ) => {
    const load = prepareLoad(
      url,
      tenants.map(({ token }) => token),
      CONNECTIONS,
    );
    // Each tenant is asked at least a few times.
    await send(load, 5 * tenants.length, signal);
    const samples = await interleave(
      { baseline: () => baseline(BLOCK_MS), tenantry: () => load.run(BLOCK_MS) },
      { rounds: ROUNDS, warmUp: 2, signal },
    );
    load.close();
    return compare(`${tenants.length} tenants in turn, compared with ${what}`, '/s', target, samples);
  };
  return {
    async withOne(tenants: readonly PeerTenant[], target: Target, signal: AbortSignal) {
      const one = prepareLoad(
        url,
        tenants.slice(0, 1).map(({ token }) => token),
        CONNECTIONS,
      );
      const result = await contest('a single one', tenants, one.run, target, signal);
      one.close();
      return result;
    },
    /** In turn, each request finds the connection of its tenant closed in favour of others. */
    withConnecting: (tenants: readonly PeerTenant[], target: Target, signal: AbortSignal) =>
      contest(`only connecting (budget of ${BUDGET})`, tenants, connectInTurn(place, tenants), target, signal),
  };
}

/** Measures how much more memory the server holds after 200,000 requests than after 50,000. */
async function memory({ url, socket }: Contender, { token }: PeerTenant, signal: AbortSignal): Promise<Result> {
  const load = prepareLoad(url, [token], CONNECTIONS);
  await send(load, 50_000, signal);
  // Without garbage, whose size depends on when the collector last ran.
  const held = async () => (await readVitals(socket, true)).rssBytes / 2 ** 20;
  const before = await held();
  await send(load, 150_000, signal);
  const after = await held();
  load.close();
  return limit('memory after 200,000 requests, beyond that after 50,000', 'MB', { atMost: 20 }, after - before);
}

/** Sends at least this many requests. */
async function send(load: Load, requests: number, signal: AbortSignal): Promise<void> {
  for (let sent = 0; sent < requests; sent += ((await load.run(BLOCK_MS)) * BLOCK_MS) / 1000) signal.throwIfAborted();
}
