import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import type { Isolation } from '../../src/catalog/entities/tenant.entity.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { makeDataDir } from '../support/cluster-copies.ts';
import { eventually } from '../support/eventually.ts';
import type { HttpClient } from '../support/http-client.ts';
import { removeDataDir } from '../support/remove-data-dir.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** Settings of a server from which tenants can be moved online. */
const logical = { wal_level: 'logical', max_wal_senders: '10' };

/** An installation with the servers `default` and `b`, and server processes that serve its tenants. */
export interface OnlineLab extends AsyncDisposable {
  readonly app: TestApp;
  readonly first: TestPostgres;
  readonly second: TestPostgres;
  /** The server processes; their workers carry out transfers. */
  readonly servers: ServerProcess[];
  /** Starts one more, and waits until it listens. */
  startServer(): Promise<HttpClient>;
  ask(query: string): Promise<Record<string, unknown>>;
  createTenant(slug: string, isolation: Isolation, server: string): Promise<void>;
  /** Starts a move, and returns the transfer's id. */
  move(slug: string, to: string): Promise<string>;
  transfer(id: string): Promise<Record<string, unknown>>;
  ended(id: string): Promise<Record<string, unknown>>;
  /** The SKUs of a tenant, read from where the catalog says it is. */
  skusOf(slug: string): Promise<readonly string[]>;
  /** What is left of moves on both servers: slots and publications. */
  leftovers(): Promise<readonly string[]>;
}

export async function startOnlineLab(): Promise<OnlineLab> {
  await using stack = new AsyncDisposableStack();
  const [first, second] = await Promise.all([startInstalledPostgres(logical), startTestPostgres(logical)]);
  stack.use(first);
  stack.use(second);
  const app = stack.use(await startTestApp({ ...first.env, WORKER: 'off' }, { first: false }));
  await app.services.servers.add('b', second.env.DATABASE_URL);
  const servers: ServerProcess[] = [];
  stack.defer(async () => {
    await Promise.all(servers.map((server) => server.end('SIGKILL')));
  });
  const ask = async (query: string) => {
    const { data, errors } = await app.ask(query, app.admin);
    expect(errors).toBeUndefined();
    return data ?? expect.unreachable(`no data for ${query}`);
  };
  const transfer = async (id: string) => {
    const fields = 'id status error pausedMs rowsCopied endedAt';
    return (await ask(`{ tenantTransfer(id: "${id}") { ${fields} } }`)).tenantTransfer as Record<string, unknown>;
  };
  const lab = {
    app,
    first,
    second,
    servers,
    ask,
    transfer,
    async startServer() {
      const dataDir = await makeDataDir(path.join(tmpdir(), 'tenantry-server-'));
      const server = startServer({ ...first.env, DATA_DIR: dataDir, NODE_ENV: 'test' });
      server.ended.then(() => removeDataDir(dataDir)).catch(() => undefined);
      servers.push(server);
      return server.listening();
    },
    async createTenant(slug: string, isolation: Isolation, server: string) {
      await ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "n", isolation: ${isolation}, server: "${server}" }) { id } }`,
      );
    },
    async move(slug: string, to: string) {
      const data = await ask(`mutation { moveTenant(input: { tenant: "${slug}", online: true, ${to} }) { id } }`);
      return (data.moveTenant as { id: string }).id;
    },
    ended: (id: string) =>
      eventually('the transfer has ended', async () => {
        const found = await transfer(id);
        return found.endedAt === null ? undefined : found;
      }),
    async skusOf(slug: string) {
      const [row] = await first.rows<{ server: string; database: string; schema: string }>(
        'SELECT server, database, schema FROM tenants WHERE slug = $1',
        [slug],
        'auth',
      );
      if (!row) throw new Error(`There is no tenant ${slug}`);
      const postgres = row.server === 'b' ? second : first;
      const rows = await postgres.rows<{ sku: string }>(
        `SELECT sku FROM ${quoteIdentifier(row.schema)}.products ORDER BY sku`,
        [],
        row.database,
      );
      return rows.map(({ sku }) => sku);
    },
    async leftovers() {
      const found: string[] = [];
      for (const postgres of [first, second]) {
        const slots = await postgres.rows<{ name: string }>('SELECT slot_name AS name FROM pg_replication_slots');
        const databases = await postgres.rows<{ name: string }>(
          'SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate',
        );
        found.push(...slots.map(({ name }) => name));
        for (const { name } of databases) {
          const publications = await postgres.rows<{ name: string }>(
            'SELECT pubname AS name FROM pg_publication',
            [],
            name,
          );
          found.push(...publications.map((each) => `${name} ${each.name}`));
        }
      }
      return found;
    },
  };
  const parts = stack.move();
  return { ...lab, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** What clients know of the products that they have created. */
export interface Written {
  /** Those that a server has confirmed. */
  readonly confirmed: readonly string[];
  /** The codes of the errors, with their number. */
  readonly errors: ReadonlyMap<string, number>;
  /** The longest time that a request took, in milliseconds. */
  readonly longestMs: number;
}

/** Writes numbered products through several servers, one after the other per writer, until the signal is aborted. */
export async function writeNumbered(
  clients: () => readonly HttpClient[],
  headers: Record<string, string>,
  { writers, prefix, signal }: { readonly writers: number; readonly prefix: string; readonly signal: AbortSignal },
): Promise<Written> {
  const confirmed: string[] = [];
  const errors = new Map<string, number>();
  let longestMs = 0;
  const count = (code: string) => errors.set(code, (errors.get(code) ?? 0) + 1);
  const write = async (writer: number) => {
    for (let n = 0; !signal.aborted; n += 1) {
      const sku = `${prefix}-${writer}-${n}`;
      const all = clients();
      const client = all[(writer + n) % all.length];
      const start = performance.now();
      try {
        const query = `mutation { createProduct(input: { sku: "${sku}", name: "n", price: "1.00", currency: "EUR" }) { id } }`;
        const { data, errors: failures } = (await client?.ask(query, headers)) ?? {};
        if (data) confirmed.push(sku);
        else count(failures?.[0]?.extensions.code ?? 'none');
      } catch {
        // The server is gone.
        count('unreachable');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      longestMs = Math.max(longestMs, performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return { confirmed, errors, longestMs };
}

/** Checks that each confirmed product is there, and none twice. */
export function expectAll(skus: readonly string[], { confirmed }: Written): void {
  const there = new Set(skus);
  expect(skus.length).toBe(there.size);
  expect(confirmed.filter((sku) => !there.has(sku))).toEqual([]);
}
