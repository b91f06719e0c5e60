import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { countTenants } from '../catalog/server-queries.ts';
import { AppError } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { KnownServer, ServerRegistry } from './registry.ts';

/** What choosing a server needs. */
export interface ChooseServerOptions {
  readonly catalog: Catalog;
  readonly servers: ServerRegistry;
  readonly log: Logger;
}

/**
 * Chooses the server for a new tenant: `wanted`, or by default the one with the fewest tenants among those that accept tenants
 * and answer.
 * @throws {AppError} NOT_FOUND, CONFLICT if it accepts no tenants, SERVER_BUSY if it does not answer
 */
export async function chooseServer(options: ChooseServerOptions, wanted?: string): Promise<string> {
  if (wanted !== undefined) {
    const { row, server } = await options.servers.find(wanted);
    if (!row.acceptsTenants)
      throw new AppError(
        'CONFLICT',
        `The server ${wanted} accepts no new tenants. Name another one, or let it accept some with \`tenantry server update ${wanted} --accepts-tenants yes\`.`,
      );
    await assertAnswers(server);
    return wanted;
  }
  const candidates = await emptiestFirst(options);
  if (candidates.length === 0) throw new AppError('CONFLICT', 'No server accepts new tenants');
  for (const { row, server } of candidates) {
    try {
      await assertAnswers(server);
      return row.name;
    } catch (err) {
      options.log.warn(
        { err, server: row.name },
        'this server does not answer; trying the next one for the new tenant',
      );
    }
  }
  throw new AppError('SERVER_BUSY', 'No server that accepts tenants answers. Try again in a moment.', {
    details: { retryAfterMs: 1000 },
  });
}

/** Skips the first server, because it has the catalog, which is queried anyway. */
async function assertAnswers(server: PostgresServer): Promise<void> {
  if (server.name !== FIRST_SERVER) await server.ping();
}

async function emptiestFirst({ catalog, servers }: ChooseServerOptions): Promise<readonly KnownServer[]> {
  const accepting = servers.known().filter(({ row }) => row.acceptsTenants);
  if (accepting.length < 2) return accepting;
  const counts = await catalog.use(countTenants);
  const tenantsOn = ({ row }: KnownServer) => counts.get(row.name) ?? 0;
  return accepting.toSorted((a, b) => tenantsOn(a) - tenantsOn(b));
}
