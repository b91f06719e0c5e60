import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownTenant } from '../catalog/tenant-directory.ts';
import { tenantNow } from '../catalog/tenant-maintenance.ts';
import type { Servers } from '../postgres/server.ts';
import { isConnectionFailure, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { servable, tenantBusy, tenantSuspended } from './resolve-tenant.ts';

/** What is asked for the reason of a failure. */
export interface ExplainConnectionErrorOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly log: Logger;
}

/**
 * Looks into why PostgreSQL refused a request, sent it away, or did not find its tables. It may have found its tenant before
 * work on it, or its deletion, began, in this process or another; or somebody has dropped what the tenant has.
 * @param tenant as the request knows it
 * @throws {AppError} TENANT_BUSY, TENANT_SUSPENDED or TENANT_NOT_FOUND; nothing where the error itself is the best that can be told
 */
export async function explainConnectionError(
  { catalog, servers, log }: ExplainConnectionErrorOptions,
  tenant: KnownTenant,
  error: unknown,
): Promise<void> {
  const { id, slug, server, database, schema, isolation } = tenant;
  const now = await tenantNow(catalog, id);
  if (now?.isMaintained) throw tenantBusy(slug, error);
  // The sessions of a tenant that is suspended or deleted are ended.
  servable(now && { ...tenant, status: now.status }, slug);
  if (isConnectionFailure(error)) return;
  if (!(await isGone(servers, tenant, error))) return;
  const place = isolation === 'DATABASE' ? `database ${database}` : `schema ${schema}`;
  log.error(
    { tenant: slug },
    `the ${place} of the tenant ${slug} is gone from the server ${server}, so no request is served: restore it under this name; tenantry doctor tells what else is gone`,
  );
  throw tenantSuspended(slug, error);
}

/** Whether a statement may have failed because the tenant's whole schema is not there any more. */
export function mayBeGone({ isolation }: KnownTenant, error: unknown): boolean {
  return isolation === 'SCHEMA' && sqlStateOf(error) === sqlState.undefinedTable;
}

async function isGone(
  servers: ExplainConnectionErrorOptions['servers'],
  tenant: KnownTenant,
  error: unknown,
): Promise<boolean> {
  if (!mayBeGone(tenant, error)) return sqlStateOf(error) === sqlState.invalidCatalogName;
  const { server: name, database, schema } = tenant;
  const server = servers.get(name);
  if (!server?.canAdminister) return false;
  // The connection of the request may be in a transaction that has failed.
  const rows = await server.owner(database, async (client) => {
    const found = await client.query<{ gone: boolean }>('SELECT to_regnamespace($1) IS NULL AS gone', [
      quoteIdentifier(schema),
    ]);
    return found.rows;
  });
  return rows[0]?.gone ?? false;
}
