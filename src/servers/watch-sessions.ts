import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { statusSql } from '../catalog/steps.ts';
import { refusedStatuses } from '../catalog/tenant-status.ts';
import { joinRoleSql } from '../postgres/admin/roles.ts';
import type { PostgresServer, Servers } from '../postgres/server.ts';
import { type InstallationRoles, tenantRole } from '../routing/placement.ts';
import {
  endOverdueSessions,
  endSessionsOf,
  findConnectedRoles,
  PATIENT_FINISH_MS,
  type SessionLimits,
} from './tenant-sessions.ts';

/** What watching the sessions of tenants needs. */
export interface WatchSessionsOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'values'>;
  readonly roles: InstallationRoles;
  readonly limits: SessionLimits;
  readonly log: Logger;
}

const LOOK_MS = 5_000;

/**
 * Ends sessions of tenants' roles that exceed their time limit or whose tenant is not served. A session can lift its own
 * `statement_timeout`, and somebody who knows a role's password can bypass this server, so limits must be enforced from outside.
 * @returns a disposable that ends the watch and waits for the last check
 */
export function watchSessions(options: WatchSessionsOptions): AsyncDisposable {
  let stopped = false;
  let looking: Promise<void> | undefined;
  const look = async () => {
    await Promise.all(
      [...options.servers.values()]
        .filter(({ isDown }) => !isDown)
        .map((server) =>
          lookAt(server, options).catch((err: unknown) => {
            if (!stopped) options.log.warn({ err, server: server.name }, 'could not check the sessions of tenants');
          }),
        ),
    );
  };
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, LOOK_MS).unref();
  return {
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      clearInterval(timer);
      await looking;
    },
  };
}

async function lookAt(server: PostgresServer, { catalog, roles, limits, log }: WatchSessionsOptions): Promise<void> {
  const connected = await server.admin(async (admin) => {
    const found = await findConnectedRoles(admin, roles);
    const unseen = found.filter(({ isSeen }) => !isSeen).map(({ role }) => role);
    if (unseen.length > 0) await admin.query(unseen.map(joinRoleSql).join(' '));
    for (const { role, pid, reason } of await endOverdueSessions(admin, roles, limits)) {
      log.warn(
        { server: server.name, role, pid },
        `ended a session of a tenant: its ${reason} exceeded the time limit`,
      );
    }
    return found.map(({ role }) => role);
  });
  if (connected.length === 0) return;
  for (const role of await refusedAmong(catalog, server.name, connected)) {
    await server.admin((admin) => endSessionsOf(admin, role, PATIENT_FINISH_MS));
    log.warn({ server: server.name, role }, 'ended the sessions of a tenant that is not served');
  }
}

/** Returns the roles among these whose tenants are not served. */
async function refusedAmong(catalog: Catalog, server: string, roles: readonly string[]): Promise<readonly string[]> {
  const keys = roles.map((role) => role.slice(tenantRole('').length));
  const { rows } = await catalog.use((client) =>
    client.query<{ key: string }>(
      `SELECT key FROM tenants WHERE server = $1 AND key = ANY ($2) AND ${statusSql(refusedStatuses)}`,
      [server, keys],
    ),
  );
  return rows.map(({ key }) => tenantRole(key));
}
