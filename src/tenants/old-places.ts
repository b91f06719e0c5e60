import { forgetCommonState } from '../catalog/common-states.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { TenantPlacement } from '../servers/provisioner.ts';
import { type EachServerOptions, isUnavailable, onEachServer } from './each-server.ts';
import type { ProvisioningOptions } from './options.ts';

/** What dropping old places needs. */
export type OldPlacesOptions = EachServerOptions & Pick<ProvisioningOptions, 'catalog'>;

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
  const { catalog, problems } = options;
  const { rows } = await catalog.use((client) => client.query<OldPlace>(dueSql));
  const byServer = Map.groupBy(rows, ({ server }) => server);
  await onEachServer(options, [...byServer.keys()], async (server) => {
    for (const place of byServer.get(server) ?? []) {
      const subject = `place ${place.id}`;
      try {
        await drop(options, place);
        problems.solved(subject);
      } catch (err) {
        if (isUnavailable(err)) throw err;
        const fields = { err, tenant: place.slug, place };
        problems.report(subject, fields, 'could not drop a place that no tenant uses; will try again later', 'warn');
      }
    }
  });
}

/** Those of each server, so that a server that is down for long does not keep the places of others from being dropped. */
const dueSql = `
  SELECT id, slug, key, isolation, server, database, schema
  FROM (SELECT *, row_number() OVER (PARTITION BY server ORDER BY drop_after, id) AS number FROM old_places WHERE drop_after <= now()) due
  WHERE number <= ${BATCH} ORDER BY drop_after, id`;

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
