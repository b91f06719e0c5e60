import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import type { PostgresServer, Servers } from '../postgres/server.ts';

/** A database, and the tenants that have their tables in it. */
export interface DatabaseInfo {
  readonly name: string;
  readonly server: string;
  /** Undefined if it does not exist or its server does not answer. */
  readonly sizeBytes: number | undefined;
  readonly tenants: readonly Tenant[];
}

/** All databases of this installation. */
export interface DatabaseListing {
  readonly system: readonly DatabaseInfo[];
  readonly tenants: readonly DatabaseInfo[];
}

/** What listing databases needs. */
export interface ListDatabasesOptions {
  readonly catalog: Catalog;
  readonly servers: Servers;
  /** The names of the system databases. */
  readonly databases: { readonly auth: string; readonly constants: string; readonly shared: string };
  readonly log: Logger;
}

/** Lists the databases of this installation with their sizes. Sizes are missing if a server does not answer. */
export async function listDatabases(options: ListDatabasesOptions): Promise<DatabaseListing> {
  const { catalog, servers, databases, log } = options;
  const tenants = await catalog.fork().find(Tenant, {}, { orderBy: { createdAt: 'asc', id: 'asc' } });
  const names = [...Object.values(databases), ...tenants.map(({ database }) => database)];
  const sizes = new Map<string, ReadonlyMap<string, number>>();
  await Promise.all(
    [...servers.values()].map(async (server) => {
      const read = readDatabaseSizes(server, names).catch((err: unknown) => {
        log.warn({ err, server: server.name }, 'could not read the sizes of databases');
        return new Map<string, number>();
      });
      sizes.set(server.name, await read);
    }),
  );
  const info = (server: string, name: string, inside: readonly Tenant[]): DatabaseInfo => ({
    name,
    server,
    sizeBytes: sizes.get(server)?.get(name),
    tenants: inside,
  });
  const { auth, constants, shared } = databases;
  const inShared = tenants.filter(({ isolation }) => isolation === 'SCHEMA');
  return {
    system: [
      info(FIRST_SERVER, auth, []),
      info(FIRST_SERVER, constants, []),
      ...[...servers.keys()].map((server) =>
        info(
          server,
          shared,
          inShared.filter((tenant) => tenant.server === server),
        ),
      ),
    ],
    tenants: tenants
      .filter(({ isolation }) => isolation === 'DATABASE')
      .map((tenant) => info(tenant.server, tenant.database, [tenant])),
  };
}

/** Reads the sizes in bytes of those databases that exist on the server, with one query. */
export async function readDatabaseSizes(
  server: PostgresServer,
  databases: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await server.admin((admin) =>
    admin.query<{ name: string; size: string }>(
      'SELECT datname AS name, pg_database_size(oid) AS size FROM pg_database WHERE datname = ANY ($1)',
      [databases],
    ),
  );
  return new Map(rows.map(({ name, size }) => [name, Number(size)]));
}
