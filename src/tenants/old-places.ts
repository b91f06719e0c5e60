import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { forgetCommonState } from '../catalog/common-states.ts';
import { AppError } from '../lib/errors.ts';
import { isTransient } from '../postgres/sql/error-codes.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { TenantPlacement } from '../servers/provisioner.ts';
import type { ServerRegistry } from '../servers/registry.ts';

/** What dropping old places needs. */
export interface OldPlacesOptions {
  readonly catalog: Catalog;
  readonly servers: ServerRegistry;
  readonly log: Logger;
}

interface OldPlace extends TenantPlacement {
  readonly id: string;
  readonly slug: string;
}

/** How many places of each server one call drops. */
const BATCH = 100;

/**
 * Drops the databases, schemas and roles that no tenant uses any more and whose time is over. What cannot be dropped now stays in
 * the catalog, and the next call tries again. Several processes may do this at once.
 */
export async function dropOldPlaces(options: OldPlacesOptions): Promise<void> {
  const { catalog, log } = options;
  const { rows } = await catalog.use((client) => client.query<OldPlace>(dueSql));
  /** Servers that do not answer: each further place would be waited for in vain. */
  const silent = new Set<string>();
  for (const place of rows) {
    if (silent.has(place.server)) continue;
    await drop(options, place).catch((err: unknown) => {
      if (isUnavailable(err)) silent.add(place.server);
      log.warn({ err, tenant: place.slug, place }, 'could not drop a place that no tenant uses; will try again later');
    });
  }
}

/** Those of each server, so that a server that is down for long does not keep the places of others from being dropped. */
const dueSql = `
  SELECT id, slug, key, isolation, server, database, schema
  FROM (SELECT *, row_number() OVER (PARTITION BY server ORDER BY drop_after, id) AS number FROM old_places WHERE drop_after <= now()) due
  WHERE number <= ${BATCH} ORDER BY drop_after, id`;

function isUnavailable(error: unknown): boolean {
  return error instanceof AppError ? error.code === 'SERVER_BUSY' : isTransient(error);
}

/**
 * Drops all old places of a tenant that is being deleted. Idempotent.
 * @throws {Error} if a place cannot be dropped
 */
export async function dropOldPlacesOf(options: OldPlacesOptions, tenantId: string): Promise<void> {
  const { rows } = await options.catalog.use((client) =>
    client.query<OldPlace>(`${selectSql} WHERE tenant_id = $1 ORDER BY id`, [tenantId]),
  );
  for (const place of rows) await drop(options, place);
}

const selectSql = 'SELECT id, slug, key, isolation, server, database, schema FROM old_places';

/** Deletes the row last, so that nothing is forgotten. */
async function drop({ catalog, servers, log }: OldPlacesOptions, { id, slug, ...place }: OldPlace): Promise<void> {
  const { provisioner } = await servers.find(place.server);
  await provisioner.remove(place);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      if (place.isolation === 'DATABASE') await forgetCommonState(client, place.server, place.database);
      await client.query('DELETE FROM old_places WHERE id = $1', [id]);
    }),
  );
  log.info({ tenant: slug, place }, 'dropped a place that no tenant uses');
}
