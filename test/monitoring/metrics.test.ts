import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { clientOf, type HttpClient } from '../support/http-client.ts';
import {
  type OwnProcess,
  ownInstallation,
  type ServerProcess,
  startCommand,
  startServer,
} from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const patience = { timeout: 60_000, interval: 250 };
const token = 'metrics-token-metrics-token-metrics-token';

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

/** The samples of an exposition. */
function samplesOf(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels, value] = /^([a-z_]\w*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, labels: labels ?? '', value: Number(value) }];
  });
}

/** The sum of the samples of a metric whose labels have all of these. */
function sumOf(text: string, name: string, ...labels: string[]): number | undefined {
  const found = samplesOf(text).filter(
    (sample) => sample.name === name && labels.every((label) => sample.labels.includes(label)),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

describe('the metrics of a server', { timeout: 300_000 }, () => {
  let folder: string;
  let postgres: TestPostgres;
  let own: ReturnType<typeof ownInstallation>;
  let server: ServerProcess;
  let client: HttpClient;
  let text: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-metrics-'));
    postgres = await startTestPostgres();
    own = ownInstallation(postgres, folder);
    server = startServer({ ...own, SLOW_REQUEST_MS: '3600000' });
    client = await server.listening();
    const admin = server.admin();
    const tenant = { ...admin, 'x-tenant': 'acme' };
    await client.post(
      { query: 'mutation Make { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }' },
      admin,
    );
    for (let round = 0; round < 3; round += 1)
      await client.post({ query: 'query List { products { totalCount } }' }, tenant);
    await client.post({ query: '{ nope }' }, admin);
    await client.post({ query: 'query Forged { __typename }' }, { authorization: 'Bearer forged' });
    await client.post({ query: 'query Anonymous { __typename }' });
    await client.post({
      query: 'mutation { login(input: { email: "a@example.com", password: "wrong-wrong-wrong" }) { token } }',
    });
    await client.post({ query: 'mutation Run { runMigrations(input: { verify: true }) { id } }' }, admin);
    await vi.waitUntil(async () => {
      text = (await client.get('/metrics')).text;
      return sumOf(text, 'tenantry_run_tenant_duration_seconds_count') !== undefined;
    }, patience);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('count requests by operation, outcome and code, and never by tenant', () => {
    const count = (...labels: string[]) => sumOf(text, 'tenantry_requests_total', ...labels);
    expect(count('operation="List"', 'type="query"', 'outcome="ok"', 'code=""')).toBe(3);
    expect(count('operation="Make"', 'type="mutation"', 'outcome="ok"')).toBe(1);
    expect(count('operation="(invalid)"', 'outcome="error"', 'code="BAD_USER_INPUT"')).toBe(1);
    expect(count('operation="(invalid)"', 'outcome="error"', 'code="UNAUTHENTICATED"')).toBe(1);
    // Whoever has no token cannot add names.
    expect(count('operation="(other)"', 'type="query"', 'outcome="ok"')).toBe(1);
    expect(text).not.toContain('Anonymous');
    expect(text).not.toContain('acme');
    expect(sumOf(text, 'tenantry_request_duration_seconds_count', 'operation="List"')).toBe(3);
  });

  it('show statements, connections, the listener, sign-ins, the event loop and runs', () => {
    expect(
      sumOf(text, 'tenantry_statement_duration_seconds_count', 'server="default"', 'source="request"'),
    ).toBeGreaterThan(3);
    expect(sumOf(text, 'tenantry_connections_open', 'server="default"')).toBeGreaterThan(0);
    expect(sumOf(text, 'tenantry_connections_limit', 'server="default"')).toBe(64);
    expect(sumOf(text, 'tenantry_connection_waiters', 'server="default"')).toBe(0);
    expect(sumOf(text, 'tenantry_connection_wait_seconds_count', 'server="default"')).toBeGreaterThan(0);
    expect(sumOf(text, 'tenantry_postgres_up', 'server="default"')).toBe(1);
    expect(sumOf(text, 'tenantry_listener_connected')).toBe(1);
    expect(sumOf(text, 'tenantry_sign_ins_total', 'method="login"', 'outcome="refused"')).toBe(1);
    expect(sumOf(text, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(sumOf(text, 'tenantry_run_tenant_duration_seconds_count')).toBe(1);
  });

  it('show the fleet as the catalog knows it', async () => {
    const fleet = await vi.waitUntil(async () => {
      const { text: now } = await client.get('/metrics');
      return sumOf(now, 'tenantry_tenants', 'status="ACTIVE"') === 1 && now;
    }, patience);
    expect(sumOf(fleet, 'tenantry_tenants', 'status="NEEDS_ATTENTION"')).toBe(0);
    expect(sumOf(fleet, 'tenantry_tenants_by_version')).toBe(1);
    expect(sumOf(fleet, 'tenantry_tenants_behind')).toBe(0);
    expect(sumOf(fleet, 'tenantry_runs_unfinished', 'status="RUNNING"')).toBeDefined();
    expect(sumOf(fleet, 'tenantry_run_oldest_unfinished_age_seconds')).toBeGreaterThanOrEqual(0);
  });

  it('are exactly those that the page lists, and all that the dashboard and the alerts use', async () => {
    const declared = new Map(
      [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type = '']) => [name, type]),
    );
    const page = await readFile('docs/observability/metrics.md', 'utf8');
    const listed = [...page.matchAll(/^\| `(tenantry_\w+)` \| (\w+) \| (.*?) \|/gm)];
    const ours = [...declared].filter(([name]) => name.startsWith('tenantry_'));
    expect(listed.map(([, name, type]) => `${name} ${type}`).sort()).toEqual(ours.map((each) => each.join(' ')).sort());

    const dashboard = await readFile('docs/observability/dashboard.json', 'utf8');
    const panels: { readonly targets?: readonly { readonly expr: string }[] }[] = JSON.parse(dashboard).panels;
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const alerts = await readFile('docs/observability/alerts.yml', 'utf8');
    const rules = [...alerts.matchAll(/^ +expr: (.*)$/gm)].map(([, rule = '']) => rule);
    expect(expressions.length).toBeGreaterThan(20);
    expect(rules.length).toBeGreaterThan(10);
    const known = new Set(
      [...declared].flatMap(([name, type]) =>
        type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
      ),
    );
    for (const expression of [...expressions, ...rules]) {
      const used = expression.match(/\b(?:tenantry|nodejs|process)_\w+/g) ?? [];
      expect(
        used.filter((name) => !known.has(name)),
        expression,
      ).toEqual([]);
      for (const label of expression.matchAll(/\{(\w+)=/g)) expect(`${page} job`, expression).toContain(label[1]);
    }
    const operations = await readFile('docs/operations.md', 'utf8');
    for (const [, name] of alerts.matchAll(/- alert: (\w+)/g)) expect(operations).toContain(`### ${name}`);
  });

  it.skipIf(spawnSync('promtool', ['--version']).error !== undefined && !process.env.REQUIRE_PROMTOOL)(
    'pass promtool, as do the alerts',
    () => {
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
      // The library's own metrics do not follow every convention.
      expect(`${checked.stdout}${checked.stderr}`.split('\n').filter((line) => line.includes('tenantry_'))).toEqual([]);
      execFileSync('promtool', ['check', 'rules', 'docs/observability/alerts.yml'], { encoding: 'utf8' });
    },
  );

  it('name the busiest tenants to platform admins, and to tenantry top', async () => {
    const admin = server.admin();
    const ask = (query: string, headers = admin) => client.post({ query }, headers);
    const found = await vi.waitUntil(async () => {
      await ask('{ products { totalCount } }', { ...admin, 'x-tenant': 'acme' });
      const { body } = await ask(
        '{ fleetStatus { busiest(first: 5) { tenant { slug } requestsPerSecond averageConcurrency } } }',
      );
      const list = (body.data?.fleetStatus as { busiest?: { requestsPerSecond: number }[] } | null)?.busiest;
      return Array.isArray(list) && list.length > 0 && list;
    }, patience);
    expect(found).toEqual([
      { tenant: { slug: 'acme' }, requestsPerSecond: expect.any(Number), averageConcurrency: expect.any(Number) },
    ]);
    expect(found[0]?.requestsPerSecond).toBeGreaterThan(0);
    expect((await ask('{ fleetStatus { busiest { requestsPerSecond } } }', {})).code).toBe('UNAUTHENTICATED');
    expect((await ask('{ fleetStatus { busiest(first: 0) { requestsPerSecond } } }')).code).toBe('BAD_USER_INPUT');
    await ask('{ products { totalCount } }', { ...admin, 'x-tenant': 'acme' });
    const top = startCommand(['top', '--by', 'time', '--json'], own);
    expect(await top.ended).toEqual({ code: 0, signal: null });
    expect(top.output()).toContain('"slug": "acme"');
  });
});

describe('access to metrics', { timeout: 300_000 }, () => {
  let folder: string;
  let postgres: TestPostgres;
  const started: OwnProcess[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-metrics-'));
    postgres = await startTestPostgres();
  });
  afterAll(async () => {
    for (const each of started) await each[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const start = (env: Record<string, string>) => {
    const server = startServer({ ...ownInstallation(postgres, folder), ...env });
    started.push(server);
    return server;
  };

  it('needs the token where one is set', async () => {
    const client = await start({ METRICS_TOKEN: token }).listening();
    expect((await client.get('/metrics')).status).toBe(401);
    expect((await client.get('/metrics', { authorization: `Bearer ${token}x` })).status).toBe(401);
    const { status, text } = await client.get('/metrics', { authorization: `Bearer ${token}` });
    expect(status).toBe(200);
    expect(text).toContain('tenantry_build_info');
  });

  it('is at a port of its own where one is set, for all processes, and not at the server’s', async () => {
    const port = await freePort();
    const settings = { METRICS_PORT: String(port), SERVER_PROCESSES: '2', CONNECTION_BUDGET: '12', LOG_LEVEL: 'info' };
    const client = await start(settings).listening();
    expect((await client.get('/metrics')).status).toBe(404);
    const metrics = clientOf(port);
    const text = await vi.waitUntil(async () => {
      const answer = await metrics.get('/metrics');
      return sumOf(answer.text, 'tenantry_build_info', 'process="2"') === 1 && answer.text;
    }, patience);
    expect(sumOf(text, 'tenantry_build_info')).toBe(2);
    expect(sumOf(text, 'process_start_time_seconds', 'process="1"')).toBeGreaterThan(0);
    expect((await metrics.get('/graphql')).status).toBe(404);
    expect((await metrics.send({ method: 'POST', path: '/metrics' })).status).toBe(405);
  });

  it('is refused to all with METRICS=off', async () => {
    const client = await start({ METRICS: 'off' }).listening();
    expect((await client.get('/metrics')).status).toBe(404);
  });
});
