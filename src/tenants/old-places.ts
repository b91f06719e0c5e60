import type { Catalog } from '../catalog/catalog.ts';
import { forgetCommonState } from '../catalog/common-states.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { TenantPlacement } from '../servers/provisioner.ts';
import { type EachServerOptions, isUnavailable, onEachServer } from './each-server.ts';
import type { ProvisioningOptions } from './options.ts';

/** What dropping old places needs. */
export type OldPlacesOptions = EachServerOptions & Pick<ProvisioningOptions, 'catalog'>;

/** A database or schema that its tenant no longer uses. */
export interface OldPlace extends TenantPlacement {
  readonly id: string;
  readonly tenantId: string;
  readonly slug: string;
  /** When it is dropped, in ISO 8601. */
  readonly dropAfter: string;
  /** Why the last attempt to drop it failed. */
  readonly error: string | null;
}

/** How many places of each server one call drops. */
const BATCH = 100;

/** How many old places of a tenant are listed. */
export const MAX_OLD_PLACES = 100;

/**
 * Drops the databases, schemas and roles that no tenant uses and whose time is over. What cannot be dropped now stays in
 * the catalog, and the next call tries again. Several processes may do this at once.
 */
export async function dropOldPlaces(options: OldPlacesOptions): Promise<void> {
  const { catalog, problems } = options;
  const { rows } = await catalog.use((client) => client.query<OldPlace>(dueSql));
  const byServer = Map.groupBy(rows, ({ server }) => server);
  const dropOn = async (server: string) => {
    for (const place of byServer.get(server) ?? []) {
      const subject = `place ${place.id}`;
      try {
        await drop(options, place);
        problems.solved(subject);
      } catch (err) {
        if (isUnavailable(err)) throw err;
        await remember(catalog, [place.id], err);
        const fields = { err, tenant: place.slug, place: placeOf(place) };
        problems.report(subject, fields, 'could not drop a place that no tenant uses; will try again later', 'warn');
      }
    }
  };
  await onEachServer(options, [...byServer.keys()], dropOn, (server, err) =>
    remember(
      catalog,
      (byServer.get(server) ?? []).map(({ id }) => id),
      err,
    ),
  );
}

const columns = `id, tenant_id AS "tenantId", slug, key, isolation, server, database, schema, error,
  to_char(drop_after AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "dropAfter"`;

/** Those of each server, so that a server that is down for long does not keep the places of others from being dropped. */
const dueSql = `
  SELECT ${columns}
  FROM (SELECT *, row_number() OVER (PARTITION BY server ORDER BY drop_after, id) AS number FROM old_places WHERE drop_after <= now()) due
  WHERE number <= ${BATCH} ORDER BY drop_after, id`;

async function remember(catalog: Catalog, ids: readonly string[], error: unknown): Promise<void> {
  await catalog.use((client) =>
    client.query('UPDATE old_places SET error = $2 WHERE id = ANY ($1) AND error IS DISTINCT FROM $2', [
      ids,
      messageOf(error),
    ]),
  );
}

/** Lists up to {@link MAX_OLD_PLACES} old places of each of these tenants, the one that is dropped next first. */
export async function listOldPlaces(
  catalog: Catalog,
  tenants: readonly string[],
): Promise<ReadonlyMap<string, readonly OldPlace[]>> {
  const { rows } = await catalog.use((client) =>
    client.query<OldPlace>(
      `SELECT ${columns} FROM (
         SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY drop_after, id) AS number
         FROM old_places WHERE tenant_id = ANY ($1)) p
       WHERE number <= ${MAX_OLD_PLACES} ORDER BY drop_after, id`,
      [tenants],
    ),
  );
  return Map.groupBy(rows, ({ tenantId }) => tenantId);
}

/**
 * Drops the old places of a tenant before their time. From then on that cannot be stopped: what cannot be dropped now is tried
 * again later. Idempotent.
 * @param reference the tenant's id or slug
 * @returns the tenant, and how many places were dropped
 * @throws {AppError} TENANT_NOT_FOUND; SERVER_BUSY if some will be dropped later
 */
export async function dropOldPlacesNow(
  options: OldPlacesOptions,
  reference: string,
): Promise<{ readonly tenant: Tenant; readonly dropped: number }> {
  const { catalog, servers } = options;
  const tenant = await tenantByReference(catalog, reference);
  servers.get(tenant.server)?.requireAdmin();
  const { rows } = await catalog.use((client) =>
    client.query<OldPlace>(
      `UPDATE old_places SET drop_after = least(drop_after, now()) WHERE tenant_id = $1 RETURNING ${columns}`,
      [tenant.id],
    ),
  );
  let failed: unknown;
  for (const place of rows) {
    await drop(options, place).catch(async (err: unknown) => {
      failed = err;
      await remember(catalog, [place.id], err);
    });
  }
  if (failed === undefined) return { tenant, dropped: rows.length };
  throw new AppError(
    'SERVER_BUSY',
    `Not all old places of the tenant ${tenant.slug} could be dropped: ${messageOf(failed)}. Tenantry retries that by itself.`,
    { cause: failed, details: { retryAfterMs: 15_000 } },
  );
}

/**
 * Drops all old places of a tenant that is being deleted. Idempotent.
 * @throws {Error} if a place cannot be dropped
 */
export async function dropOldPlacesOf(options: OldPlacesOptions, tenantId: string): Promise<void> {
  const { rows } = await options.catalog.use((client) =>
    client.query<OldPlace>(`SELECT ${columns} FROM old_places WHERE tenant_id = $1 ORDER BY id`, [tenantId]),
  );
  for (const place of rows) await drop(options, place);
}

/** Deletes the row last, so that nothing is forgotten. */
async function drop({ catalog, servers, log }: OldPlacesOptions, old: OldPlace): Promise<void> {
  const place = placeOf(old);
  const { provisioner } = await servers.find(place.server);
  await provisioner.remove(place);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      if (place.isolation === 'DATABASE') await forgetCommonState(client, place.server, place.database);
      await client.query('DELETE FROM old_places WHERE id = $1', [old.id]);
    }),
  );
  log.info({ tenant: old.slug, place }, 'dropped a place that no tenant uses');
}

function placeOf({ key, isolation, server, database, schema }: OldPlace): TenantPlacement {
  return { key, isolation, server, database, schema };
}
