import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { Config } from '../config/config.ts';
import { showHost } from '../config/server-hosts.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { installationRoles } from '../routing/placement.ts';
import type { PoolerAnsweredError } from '../servers/check.ts';
import { tryPooler } from '../servers/poolers/check-pooler.ts';
import type { PoolerMode } from '../servers/poolers/mode.ts';
import { howToSetPooler } from '../servers/poolers/watch.ts';
import type { Leftover } from './leftover.ts';

/** What the pooler of a server does: it works, or has a problem. */
export interface PoolerCheck {
  /** Its host and port. */
  readonly address: string;
  readonly mode: PoolerMode | undefined;
  readonly problem: Leftover | undefined;
}

/**
 * Tries whether requests of tenants can go through the pooler of a server, with a role that it makes and drops.
 * @param findsMode whether to find out its mode
 * @returns undefined if the server has none
 */
export async function checkPoolerOf(
  server: PostgresServer,
  { databases, connections }: Pick<Config, 'databases' | 'connections'>,
  { findsMode = false } = {},
): Promise<PoolerCheck | undefined> {
  const { name, pooler } = server;
  if (!pooler) return undefined;
  const trial = await tryPooler(server, {
    sharedDatabase: databases.shared,
    roles: installationRoles(databases.auth),
    bounds: connections.tenantBounds,
    findsMode,
  });
  const { problem, mode } = trial ?? {};
  return {
    address: showHost(pooler),
    mode,
    problem:
      problem === undefined
        ? undefined
        : {
            message: `Requests to tenants on the server ${name} cannot go through its connection pooler: ${problem}`,
            remedy: `Start the pooler if it does not run; otherwise correct its configuration, which docs/poolers.md describes, or its address (${howToSetPooler(name)})`,
          },
  };
}

/**
 * What to say of a URL that leads to a pooler, where that of PostgreSQL itself should be.
 * @param setting the setting that has the URL, for the first server
 */
export function pooledUrlProblem(server: string, error: PoolerAnsweredError, setting = 'DATABASE_URL'): Leftover {
  if (server === FIRST_SERVER) {
    return {
      message: `${setting} ${error.message}`,
      remedy: `Set ${setting} to PostgreSQL itself, and DATABASE_POOLER_URL to the pooler`,
    };
  }
  return {
    message: `The URL of the server ${server} ${error.message}`,
    remedy: `Store the URL of PostgreSQL itself: tenantry server add ${server} URL --pooler-url URL-OF-THE-POOLER`,
  };
}
