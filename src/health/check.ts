import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { Config } from '../config/config.ts';
import { messageOf } from '../lib/errors.ts';
import { withTimeLimit } from '../lib/time.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { pingPooler } from '../servers/poolers/ping.ts';
import type { PoolerWatch } from '../servers/poolers/watch.ts';
import type { ServerRegistry } from '../servers/registry.ts';

/** Returns the health of an installation. Never throws and takes a few seconds at most. */
export type HealthCheck = () => Promise<Health>;

/** The health of one database, or of a server's connection pooler. */
export interface DatabaseHealth {
  readonly name: string;
  readonly server: string;
  readonly ok: boolean;
  readonly latencyMs: number | null;
  readonly error: string | null;
}

/** OK: all databases answer. DEGRADED: `auth` answers, so most requests work. DOWN: `auth` does not answer. */
export interface Health {
  readonly status: 'OK' | 'DEGRADED' | 'DOWN';
  readonly databases: readonly DatabaseHealth[];
  /** How full the first server's notification queue is, from 0 to 1. */
  readonly notificationQueueUsage: number;
}

const TIMEOUT_MS = 3_000;

/** How long an answer is cached, in milliseconds. */
const CACHE_MS = 1_000;

/**
 * Creates a health check that all callers share. Anyone may call it at any rate, so it must not take connections away from
 * tenants: only one check runs at a time, and its answer is cached for a second.
 */
export function createHealthCheck(checked: Checked): HealthCheck {
  const answers = new LRUCache<'health', Health>({
    max: 1,
    ttl: CACHE_MS,
    fetchMethod: () => checkHealth(checked),
  });
  return () => answers.forceFetch('health');
}

interface Checked {
  readonly catalog: Catalog;
  readonly constants: { readonly pool: Pool };
  readonly servers: ServerRegistry;
  readonly poolers: Pick<PoolerWatch, 'problemOf'>;
  readonly listener: Pick<Listener, 'queueUsage'>;
  readonly config: Config;
}

/** Queries each system database and each server. */
async function checkHealth({ catalog, constants, servers, poolers, listener, config }: Checked): Promise<Health> {
  const select = 'SELECT 1';
  const databases = await Promise.all([
    check(config.databases.auth, FIRST_SERVER, (signal) => catalog.use((client) => client.query(select), signal)),
    check(config.databases.constants, FIRST_SERVER, (signal) =>
      constants.pool.use((client) => client.query(select), signal),
    ),
    ...servers
      .values()
      .map((server) => check(server.address?.maintenanceDatabase ?? '', server.name, (signal) => server.ping(signal))),
    ...servers
      .values()
      .flatMap((server) =>
        server.pooler
          ? [check('the connection pooler', server.name, (signal) => checkPooler(server, poolers, signal))]
          : [],
      ),
  ]);
  const notificationQueueUsage = listener.queueUsage;
  if (databases.every(({ ok }) => ok)) return { status: 'OK', databases, notificationQueueUsage };
  return { status: databases[0]?.ok ? 'DEGRADED' : 'DOWN', databases, notificationQueueUsage };
}

/** Logging in would need a role and take long; that was tried at the start. */
async function checkPooler(server: PostgresServer, poolers: Checked['poolers'], signal: AbortSignal): Promise<void> {
  if (server.pooler) await pingPooler(server.pooler, signal);
  if (poolers.problemOf(server) !== undefined) throw new Error(cannotBeUsed);
}

async function check(
  name: string,
  server: string,
  ask: (signal: AbortSignal) => Promise<unknown>,
): Promise<DatabaseHealth> {
  const start = performance.now();
  // Aborting drops a connection that does not answer, so that the next caller gets another one.
  const end = new AbortController();
  try {
    await withTimeLimit(ask(end.signal), TIMEOUT_MS, `no answer within ${TIMEOUT_MS} ms`);
    return { name, server, ok: true, latencyMs: Math.round((performance.now() - start) * 100) / 100, error: null };
  } catch (error) {
    return { name, server, ok: false, latencyMs: null, error: publicReason(error) };
  } finally {
    end.abort();
  }
}

const cannotBeUsed = 'cannot be used; the log says why';

/** The answer is public, so it must not contain addresses and roles, which PostgreSQL's messages may name. */
function publicReason(error: unknown): string {
  const reason = messageOf(error);
  return reason === cannotBeUsed || /no answer within|came free/.test(reason) ? reason : 'unreachable';
}
