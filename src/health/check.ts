import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { Config } from '../config/config.ts';
import { messageOf } from '../lib/errors.ts';
import { withTimeLimit } from '../lib/time.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import type { ServerRegistry } from '../servers/registry.ts';

/** Gives the health of an installation. It never throws, and is never slower than some seconds. */
export type HealthCheck = () => Promise<Health>;

/** How one database answers. */
export interface DatabaseHealth {
  readonly name: string;
  readonly server: string;
  readonly ok: boolean;
  readonly latencyMs: number | null;
  readonly error: string | null;
}

/** OK: all answer; DEGRADED: `auth` does, and so most requests work; DOWN: `auth` does not. */
export interface Health {
  readonly status: 'OK' | 'DEGRADED' | 'DOWN';
  readonly databases: readonly DatabaseHealth[];
  /** How full the notification queue of the first server is, from 0 to 1. */
  readonly notificationQueueUsage: number;
}

const TIMEOUT_MS = 3_000;

/** How long an answer is good for everybody who asks, in milliseconds. */
const REMEMBERED_MS = 1_000;

/**
 * Makes the check that all who ask share: anyone may ask, as often as they like, and must not take connections from tenants
 * by it. One check runs at a time, and its answer is kept for a second.
 */
export function createHealthCheck(checked: Checked): HealthCheck {
  const answers = new LRUCache<'health', Health>({
    max: 1,
    ttl: REMEMBERED_MS,
    fetchMethod: () => checkHealth(checked),
  });
  return () => answers.forceFetch('health');
}

interface Checked {
  readonly catalog: Catalog;
  readonly constants: { readonly pool: Pool };
  readonly servers: ServerRegistry;
  readonly listener: Pick<Listener, 'queueUsage'>;
  readonly config: Config;
}

/** Asks each system database, and each server, whether it answers. */
async function checkHealth({ catalog, constants, servers, listener, config }: Checked): Promise<Health> {
  const select = 'SELECT 1';
  const databases = await Promise.all([
    check(config.databases.auth, FIRST_SERVER, (signal) => catalog.use((client) => client.query(select), signal)),
    check(config.databases.constants, FIRST_SERVER, (signal) =>
      constants.pool.use((client) => client.query(select), signal),
    ),
    ...servers
      .values()
      .map((server) => check(server.address?.maintenanceDatabase ?? '', server.name, (signal) => server.ping(signal))),
  ]);
  const notificationQueueUsage = listener.queueUsage;
  if (databases.every(({ ok }) => ok)) return { status: 'OK', databases, notificationQueueUsage };
  return { status: databases[0]?.ok ? 'DEGRADED' : 'DOWN', databases, notificationQueueUsage };
}

async function check(
  name: string,
  server: string,
  ask: (signal: AbortSignal) => Promise<unknown>,
): Promise<DatabaseHealth> {
  const start = performance.now();
  // A connection that does not answer is dropped: the next check, and whoever else needs one, gets another.
  const enough = new AbortController();
  try {
    await withTimeLimit(ask(enough.signal), TIMEOUT_MS, `no answer within ${TIMEOUT_MS} ms`);
    return { name, server, ok: true, latencyMs: Math.round((performance.now() - start) * 100) / 100, error: null };
  } catch (error) {
    return { name, server, ok: false, latencyMs: null, error: publicReason(error) };
  } finally {
    enough.abort();
  }
}

/** Anyone may ask for health, so addresses and roles, which PostgreSQL's messages may name, are left out. */
function publicReason(error: unknown): string {
  return /no answer within|came free/.test(messageOf(error)) ? messageOf(error) : 'it cannot be reached';
}
