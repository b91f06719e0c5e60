import { allowConnections, disallowConnections } from '../postgres/admin/replace-database.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { tenantRole } from '../routing/placement.ts';
import { withPlacementLock } from '../routing/placement-lock.ts';
import type { Provisioner, TenantPlacement } from './provisioner.ts';
import { endOwnerShells } from './tenant-sessions.ts';

/** A server with its provisioner. */
interface PlaceServer {
  readonly server: PostgresServer;
  readonly provisioner: Provisioner;
}

/**
 * Locks a place: the tenant's role may neither log in nor use the tables, and has no sessions. Without the second, a session that
 * logged in a moment before and is not listed yet could still write. Sessions of `tenantry psql --owner` are ended too.
 * @param check throws to prevent that; runs under the placement lock
 */
export async function lockPlace(
  { server, provisioner }: PlaceServer,
  placement: TenantPlacement,
  check: () => Promise<void>,
): Promise<void> {
  const { database, schema } = placement;
  await provisioner.lockOut(placement, check);
  await server.admin((admin) => endOwnerShells(admin, placement.key));
  const [name, grantee] = [schema, provisioner.granteeOf(placement)].map(quoteIdentifier);
  await server.owner(database, (client) => client.query(`REVOKE USAGE ON SCHEMA ${name} FROM ${grantee}`));
}

/** Ends all sessions of a tenant's own database, also the owner's, and allows no new ones. A schema stays as it is. */
export async function closePlace(
  { server }: Pick<PlaceServer, 'server'>,
  { key, isolation, database }: TenantPlacement,
): Promise<void> {
  if (isolation === 'SCHEMA') return;
  await withPlacementLock(server, key, (admin) => disallowConnections(admin, database, tenantRole(key)));
}

/**
 * Undoes {@link lockPlace} and {@link closePlace}. Idempotent.
 * @param check throws to prevent that; runs under the placement lock
 */
export async function unlockPlace(
  { server, provisioner }: PlaceServer,
  placement: TenantPlacement,
  check: () => Promise<void>,
): Promise<void> {
  const { key, isolation, database, schema } = placement;
  await provisioner.renewRole(placement, check);
  if (isolation === 'DATABASE') {
    await withPlacementLock(server, key, async (admin) => {
      await check();
      await allowConnections(admin, database, [tenantRole(key)]);
    });
  }
  const [name, grantee] = [schema, provisioner.granteeOf(placement)].map(quoteIdentifier);
  await server.owner(database, (client) => client.query(`GRANT USAGE ON SCHEMA ${name} TO ${grantee}`));
}
