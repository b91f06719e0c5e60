import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';

/**
 * The URL of a database of a Citus cluster's coordinator, which has the extension and the workers, for a superuser who may log in to
 * the workers with the same password. Without it, tests of Citus are skipped; docs/citus.md says how to set up a cluster.
 */
export const citusUrl = process.env.CITUS_DATABASE_URL;

/** Names of databases for one installation on a Citus cluster. */
export interface CitusInstallation extends AsyncDisposable {
  /** The settings of the installation. Its shared database has the extension and the workers. */
  readonly env: Readonly<Record<string, string>>;
  /** The settings that name its databases. */
  readonly names: Readonly<Record<string, string>>;
  readonly shared: string;
  /** Asks in the shared database as the superuser. */
  rows<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** A session of the superuser's in the shared database. */
  session(): Promise<AsyncDisposable & { readonly client: pg.Client }>;
  /** Asks in the shared database on each worker. */
  onEachWorker<Row extends pg.QueryResultRow>(sql: string): Promise<Row[][]>;
  /** The workers, as Citus names them. */
  readonly nodes: readonly string[];
}

/** Makes a shared database on all nodes of the cluster, which goes with all that the installation has made there. */
export async function makeCitusInstallation(
  url: string,
  { isSpread = true }: { readonly isSpread?: boolean } = {},
): Promise<CitusInstallation> {
  const prefix = `t${randomBytes(4).toString('hex')}`;
  const shared = `${prefix}_shared`;
  const at = (host: string, port: number | string, database: string) => {
    const there = new URL(url);
    Object.assign(there, { hostname: host, port: String(port), pathname: `/${database}` });
    return there.href;
  };
  const { hostname, port } = new URL(url);
  const nodes = await ask<{ host: string; port: number }>(
    url,
    `SELECT nodename AS host, nodeport AS port FROM pg_dist_node WHERE noderole = 'primary' AND shouldhaveshards ORDER BY port`,
  );
  const places = [{ host: hostname, port }, ...nodes];
  for (const node of places) {
    await ask(at(node.host, node.port, 'postgres'), `CREATE DATABASE ${quoteIdentifier(shared)} TEMPLATE template0`);
    await ask(at(node.host, node.port, shared), 'CREATE EXTENSION citus');
  }
  const names = {
    AUTH_DATABASE: `${prefix}_auth`,
    CONSTANTS_DATABASE: `${prefix}_constants`,
    SHARED_DATABASE: shared,
  };
  const coordinator = at(hostname, port, shared);
  await ask(coordinator, 'SELECT citus_set_coordinator_host($1, $2)', [hostname, Number(port)]);
  for (const node of nodes) await ask(coordinator, 'SELECT citus_add_node($1, $2)', [node.host, node.port]);
  if (isSpread)
    await ask(
      at(hostname, port, 'postgres'),
      `ALTER DATABASE ${quoteIdentifier(shared)} SET citus.enable_schema_based_sharding = on`,
    );
  return {
    env: {
      DATABASE_URL: at(hostname, port, 'postgres'),
      ROLE_SECRET: 'a secret of the tests on Citus that is long enough',
      JWT_SECRET: 'another secret that every process of the test knows',
      ...names,
    },
    names,
    shared,
    nodes: nodes.map((node) => `${node.host}:${node.port}`),
    rows: (sql, values) => ask(coordinator, sql, values),
    async session() {
      const client = new pg.Client({ connectionString: coordinator });
      await client.connect();
      return { client, [Symbol.asyncDispose]: () => client.end() };
    },
    onEachWorker: <Row extends pg.QueryResultRow>(sql: string) =>
      Promise.all(nodes.map((node) => ask<Row>(showingShards(at(node.host, node.port, shared)), sql))),
    async [Symbol.asyncDispose]() {
      const maintenance = at(hostname, port, 'postgres');
      const databases = await ask<{ name: string }>(
        maintenance,
        // Those of tenants have names of their own.
        `SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1) OR EXISTS (
           SELECT FROM aclexplode(datacl) a JOIN pg_auth_members m ON m.member = a.grantee JOIN pg_roles g ON g.oid = m.roleid
           WHERE starts_with(g.rolname, $1) AND datname LIKE 'db\\_%')`,
        [prefix],
      );
      for (const { name } of databases.filter((database) => database.name !== shared)) {
        await ask(maintenance, `DROP DATABASE ${quoteIdentifier(name)} WITH (FORCE)`);
      }
      for (const node of places) {
        const there = at(node.host, node.port, 'postgres');
        await ask(there, `DROP DATABASE ${quoteIdentifier(shared)} WITH (FORCE)`);
        const roles = await ask<{ name: string }>(
          there,
          `SELECT rolname AS name FROM pg_roles r WHERE starts_with(rolname, $1) OR EXISTS (
             SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND starts_with(g.rolname, $1))
             AND NOT rolsuper`,
          [prefix],
        );
        for (const { name } of roles) {
          await ask(there, `DROP OWNED BY ${quoteIdentifier(name)}`);
          await ask(there, `DROP ROLE ${quoteIdentifier(name)}`);
        }
      }
    },
  };
}

/** Citus otherwise hides the tables of its shards from those who look for tables. */
function showingShards(url: string): string {
  const there = new URL(url);
  there.searchParams.set('options', '-c citus.override_table_visibility=off');
  return there.href;
}

async function ask<Row extends pg.QueryResultRow>(url: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
