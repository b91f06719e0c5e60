import { tenantByReference } from '../catalog/find-tenants.ts';
import type { EntityTables } from '../migrator/diff/entity-tables.ts';
import type { MigrationFolder } from '../migrator/files/migration-files.ts';
import { type Resolution, type ResolveOptions, resolveAttention } from './attention.ts';

/** What inspecting a tenant needs. */
export interface TenantAttentionOptions extends Pick<ResolveOptions, 'catalog' | 'servers'> {
  readonly migrations: { readonly tenant: MigrationFolder };
  readonly tables: { readonly TENANT: EntityTables };
  readonly config: { readonly migrations: { readonly lockTimeoutMs: number } };
}

/**
 * Inspects a tenant and resolves its need for attention; see {@link resolveAttention}.
 * @param reference its id or slug
 * @throws {AppError} TENANT_NOT_FOUND, and as resolveAttention
 */
export async function resolveTenantAttention(
  { catalog, servers, migrations, tables, config }: TenantAttentionOptions,
  reference: string,
  force: boolean,
): Promise<Resolution> {
  const tenant = await tenantByReference(catalog, reference);
  const { lockTimeoutMs } = config.migrations;
  const files = await migrations.tenant.read();
  return resolveAttention({ catalog, servers, files, tables: tables.TENANT, lockTimeoutMs }, tenant, force);
}
