import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownTenant } from '../catalog/tenant-directory.ts';
import { tenantNow } from '../catalog/tenant-maintenance.ts';
import { messageOf } from '../lib/errors.ts';
import { databaseExists } from '../postgres/admin/databases.ts';
import type { Servers } from '../postgres/server.ts';
import { isConnectionFailure, isPoolerFailure, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { WrongSessionError } from './renewable-role.ts';
import { servable, tenantBusy, tenantSuspended } from './resolve-tenant.ts';

/** What explaining a connection error needs. */
export interface ExplainConnectionErrorOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly log: Logger;
}

/**
 * Finds out why PostgreSQL, or a pooler, rejected or ended a request's connection, or did not find its tables. The tenant may have gone into
 * maintenance or been deleted after the request resolved it, or somebody may have dropped its database or schema.
 * @param tenant the tenant as the request resolved it
 * @throws {AppError} TENANT_BUSY, TENANT_SUSPENDED or TENANT_NOT_FOUND; returns if there is no better explanation than the error
 */
export async function explainConnectionError(
  { catalog, servers, log }: ExplainConnectionErrorOptions,
  tenant: KnownTenant,
  error: unknown,
): Promise<void> {
  const { id, slug, server, database, schema, isolation } = tenant;
  const now = await tenantNow(catalog, id);
  if (now?.isMaintained) throw tenantBusy(slug, error);
  // Suspending or deleting a tenant ends its sessions.
  servable(now && { ...tenant, status: now.status }, slug);
  if (isConnectionFailure(error)) return;
  const isWrong = error instanceof WrongSessionError;
  if (isWrong || isPoolerFailure(error)) {
    const reason = messageOf(isWrong ? error.cause : error);
    log.warn({ tenant: slug, server, reason }, 'the connection pooler refuses a tenant');
  }
  if (!(await isGone(servers, tenant, error))) return;
  const missing = isolation === 'DATABASE' ? `database ${database}` : `schema ${schema}`;
  log.error(
    { tenant: slug },
    `the ${missing} of the tenant ${slug} is missing on the server ${server}, so its requests fail: restore it under this name, and run tenantry doctor to find out what else is missing`,
  );
  throw tenantSuspended(slug, error);
}

/** Whether a statement may have failed because the tenant's schema is missing. */
export function mayBeGone({ isolation }: KnownTenant, error: unknown): boolean {
  return isolation === 'SCHEMA' && sqlStateOf(error) === sqlState.undefinedTable;
}

async function isGone(
  servers: ExplainConnectionErrorOptions['servers'],
  tenant: KnownTenant,
  error: unknown,
): Promise<boolean> {
  // A pooler does not say why.
  const isRefused = isPoolerFailure(error);
  if (!isRefused && !mayBeGone(tenant, error)) return sqlStateOf(error) === sqlState.invalidCatalogName;
  const { server: name, database, schema, isolation } = tenant;
  const server = servers.get(name);
  if (!server?.canAdminister) return false;
  // The request's own connection may be in a failed transaction.
  if (isolation === 'DATABASE') return !(await server.brief(undefined, (client) => databaseExists(client, database)));
  const { rows } = await server.brief(database, (client) =>
    client.query<{ gone: boolean }>('SELECT to_regnamespace($1) IS NULL AS gone', [quoteIdentifier(schema)]),
  );
  return rows[0]?.gone ?? false;
}
