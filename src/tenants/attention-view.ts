import { tenantByReference } from '../catalog/find-tenants.ts';
import type { Services } from '../installation/services.ts';
import { type Resolution, resolveAttention } from './attention.ts';

/**
 * Looks into a tenant, and lets it be served again; see {@link resolveAttention}.
 * @param reference its id or slug
 * @throws {AppError} TENANT_NOT_FOUND, and as resolveAttention
 */
export async function resolveTenantAttention(
  { catalog, servers, migrations, tables, config }: Services,
  reference: string,
  force: boolean,
): Promise<Resolution> {
  const tenant = await tenantByReference(catalog, reference);
  const { lockTimeoutMs } = config.migrations;
  const files = await migrations.tenant.read();
  return resolveAttention({ catalog, servers, files, tables: tables.TENANT, lockTimeoutMs }, tenant, force);
}
