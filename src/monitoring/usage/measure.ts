import pLimit from 'p-limit';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Isolation } from '../../catalog/entities/tenant.entity.ts';
import { type PostgresServer, type Servers, serverNamed } from '../../postgres/server.ts';
import type { Placement } from '../../routing/placement.ts';
import { readDatabaseSizes } from '../../servers/list-databases.ts';
import { estimatedRowsSql, measureSchemas } from '../../servers/measure-place.ts';
import { countFiles } from '../../tenants/inventory.ts';
import type { TenantFiles } from '../../tenants/tenant-files.ts';

/** What measuring tenants needs. */
export interface MeasureOptions {
  readonly catalog: Pick<Catalog, 'use'>;
  readonly servers: Servers;
  /** Opens what the modules keep of tenants. */
  readonly files: () => Promise<readonly TenantFiles[]>;
  readonly log: Logger;
}

/** A tenant to measure. */
export type MeasuredTenant = Placement & { readonly id: string; readonly isolation: Isolation };

/** How many databases are connected to at once. */
const CONCURRENCY = 2;
/** A statement may take 30 seconds, and may wait half a second for a lock. */
const beginSql = `BEGIN READ ONLY; SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '500ms'`;

interface Measured {
  readonly bytes: number;
  readonly rows: number;
}

/**
 * Measures tenants and stores the result. Sizes need one query for each server, and everything about schemas one query for each shared
 * database. Only the rows of a tenant with a database of its own need a connection to it. A tenant that cannot be measured keeps
 * what is known.
 */
export async function measureTenants(options: MeasureOptions, tenants: readonly MeasuredTenant[]): Promise<void> {
  const { servers, log } = options;
  const found = new Map<string, Measured>();
  for (const [name, there] of Map.groupBy(tenants, ({ server }) => server)) {
    try {
      const server = serverNamed(servers, name);
      await measureOn(server, there, found);
    } catch (err) {
      log.warn({ err, server: name }, 'could not measure tenants; will try again later');
    }
  }
  if (found.size === 0) return;
  const stores = await options.files();
  const files = new Map<string, number>();
  for (const id of found.keys()) {
    const count = await countFiles(stores, id).catch((err: unknown) => {
      log.warn({ err, tenant: id }, 'could not count the files of a tenant');
      return undefined;
    });
    if (count) files.set(id, count.files);
  }
  await store(options.catalog, found, files);
}

async function measureOn(
  server: PostgresServer,
  tenants: readonly MeasuredTenant[],
  found: Map<string, Measured>,
): Promise<void> {
  const own = tenants.filter(({ isolation }) => isolation === 'DATABASE');
  const sizes =
    own.length > 0
      ? await readDatabaseSizes(
          server,
          own.map(({ database }) => database),
        )
      : new Map();
  const limit = pLimit(CONCURRENCY);
  await limit.map(own, async ({ id, database }) => {
    const bytes: number | undefined = sizes.get(database);
    if (bytes === undefined) return;
    // One that is missing or closed at the moment does not keep the others from being measured.
    const rows = await readRows(server, database).catch(() => undefined);
    if (rows !== undefined) found.set(id, { bytes, rows });
  });
  const inSchemas = tenants.filter(({ isolation }) => isolation === 'SCHEMA');
  for (const [database, there] of Map.groupBy(inSchemas, (tenant) => tenant.database)) {
    const names = there.map(({ schema }) => schema);
    const schemas = await reading(server, database, (client) => measureSchemas(client, names));
    for (const { id, schema } of there) {
      const size = schemas.get(schema);
      if (size) found.set(id, size);
    }
  }
}

function readRows(server: PostgresServer, database: string): Promise<number> {
  return reading(server, database, async (client) => {
    const { rows } = await client.query<{ rows: number }>(estimatedRowsSql);
    return rows[0]?.rows ?? 0;
  });
}

function reading<T>(server: PostgresServer, database: string, read: (client: pg.Client) => Promise<T>): Promise<T> {
  return server.owner(database, async (client) => {
    await client.query(beginSql);
    try {
      return await read(client);
    } finally {
      await client.query('ROLLBACK');
    }
  });
}

async function store(
  catalog: Pick<Catalog, 'use'>,
  found: ReadonlyMap<string, Measured>,
  files: ReadonlyMap<string, number>,
): Promise<void> {
  const entries = [...found];
  await catalog.use((client) =>
    client.query(
      `INSERT INTO tenant_usages AS u (tenant_id, tried_at, measured_at, bytes, rows, files)
       SELECT t.id, now(), now(), m.bytes, m.rows, m.files
       FROM unnest($1::uuid[], $2::float8[], $3::float8[], $4::int[]) AS m (id, bytes, rows, files) JOIN tenants t ON t.id = m.id
       ORDER BY t.id FOR KEY SHARE OF t
       ON CONFLICT (tenant_id) DO UPDATE SET tried_at = now(), measured_at = now(), bytes = excluded.bytes, rows = excluded.rows,
         files = coalesce(excluded.files, u.files)`,
      [
        entries.map(([id]) => id),
        entries.map(([, { bytes }]) => bytes),
        entries.map(([, { rows }]) => rows),
        entries.map(([id]) => files.get(id)),
      ],
    ),
  );
}
