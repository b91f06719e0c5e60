import type { Inventory, Tenant } from '../catalog/entities/tenant.entity.ts';
import { serverNamed } from '../postgres/server.ts';
import { measurePlace } from '../servers/measure-place.ts';
import { isUnavailable } from './each-server.ts';
import type { ProvisioningOptions } from './options.ts';
import type { TenantFiles } from './tenant-files.ts';

/** How many checkpoints are named. */
const NAMED = 20;

/** How many files a tenant has outside of its database, and their size. */
export interface FileCount {
  readonly files: number;
  readonly bytes: number;
}

/** Counts what modules keep of a tenant. */
export async function countFiles(stores: readonly TenantFiles[], tenant: string): Promise<FileCount> {
  let [files, bytes] = [0, 0];
  for (const store of stores) {
    for await (const file of store.list(tenant)) {
      files += 1;
      bytes += file.bytes;
    }
  }
  return { files, bytes };
}

/**
 * Reads what a tenant consists of, before it is removed. What cannot be read is left out: it must not prevent the removal.
 * @throws what connecting throws if the tenant's server does not answer
 */
export async function takeInventory(options: ProvisioningOptions, tenant: Tenant): Promise<Inventory> {
  const { catalog, servers, log } = options;
  const orNothing = (what: string) => (err: unknown) => {
    log.warn({ err, tenant: tenant.id }, `could not read the ${what} of a tenant that is removed`);
    return undefined;
  };
  const size = await serverOwner(servers, tenant).catch((err: unknown) => {
    // Nothing can be removed there either, and the next attempt may succeed.
    if (isUnavailable(err)) throw err;
    return orNothing('size')(err);
  });
  const found = await options
    .files()
    .then((stores) => countFiles(stores, tenant.id))
    .catch(orNothing('files'));
  const { rows } = await catalog.use((client) =>
    client.query<Pick<Inventory, 'checkpoints' | 'checkpointNames' | 'members'>>(
      `SELECT count(*)::int AS checkpoints, coalesce((array_agg(name ORDER BY created_at, id))[1:${NAMED}], '{}') AS "checkpointNames",
         (SELECT count(*)::int FROM memberships WHERE tenant_id = $1) AS members
       FROM checkpoints WHERE tenant_id = $1`,
      [tenant.id],
    ),
  );
  return {
    bytes: size?.bytes,
    tables: size?.tables,
    rows: size?.rows,
    files: found?.files,
    fileBytes: found?.bytes,
    checkpoints: rows[0]?.checkpoints ?? 0,
    checkpointNames: rows[0]?.checkpointNames ?? [],
    members: rows[0]?.members ?? 0,
  };
}

function serverOwner(servers: ProvisioningOptions['servers'], tenant: Tenant) {
  return serverNamed(servers, tenant.server).owner(tenant.database, (client) => measurePlace(client, tenant));
}
