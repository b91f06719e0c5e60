import type { FilterQuery } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Catalog } from '../catalog/catalog.ts';
import {
  MigrationRecord,
  type MigrationScope,
  type MigrationStatus,
} from '../catalog/entities/migration-record.entity.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { includesStatus } from '../catalog/steps.ts';
import { deletedStatuses } from '../catalog/tenant-status.ts';
import { badInput } from '../lib/errors.ts';
import { commonSchema } from '../migrator/files/common-schema.ts';
import { historyTable } from '../migrator/files/history.ts';
import { HistoryRecord } from '../migrator/files/history-entity.ts';
import { kindOfFile, type MigrationKind } from '../migrator/files/migration-file.ts';
import { folderOf, type MigrationFolders } from '../migrator/files/migration-folders.ts';
import { type ConnectionArgs, type ConnectionPage, entityConnection, mapNodes } from '../orm/pagination.ts';
import type { TenantConnections } from '../routing/tenant-connections.ts';

/** A migration attempt to show, from a run's record or from the database's own history. */
export interface ShownRecord extends Pick<HistoryRecord, 'scope' | 'name' | 'hash' | 'status'> {
  readonly tenant: Tenant | null;
  readonly deletedTenant: string | null;
  readonly run: string | null;
  readonly checkpoint: string | null;
  readonly appliedAt: Date;
  readonly durationMs: number;
  readonly error: string | null;
  /** What its file is; null if the code has no file of this name. */
  readonly kind: MigrationKind | null;
  /** For an accepted hash: the previous hash, and who accepted the new one. */
  readonly previousHash: string | null;
  readonly acceptedBy: string | null;
}

/** Which history to read. */
export interface HistoryArgs extends ConnectionArgs {
  readonly tenant?: string | null | undefined;
  readonly scope?: MigrationScope | null | undefined;
  readonly status?: MigrationStatus | null | undefined;
}

/** Where histories are read from. */
export interface HistorySources {
  readonly catalog: Catalog;
  readonly constants: { fork(): EntityManager };
  readonly tenants: Pick<TenantConnections, 'lease'>;
  readonly migrations: MigrationFolders;
}

/**
 * Reads a page of a database's own history, or of the attempts of runs across the whole fleet; newest first. Of a deleted tenant, it
 * reads what runs did.
 * @throws {AppError} BAD_USER_INPUT, TENANT_NOT_FOUND
 */
export async function readMigrationHistory(
  sources: HistorySources,
  args: HistoryArgs,
): Promise<ConnectionPage<ShownRecord>> {
  const page = await readRecords(sources, args);
  const scopes = new Set(page.edges.map(({ node }) => node.scope));
  const kinds = new Map<string, MigrationKind>();
  for (const scope of scopes) {
    // The history can be read even if a file is invalid.
    const files = await folderOf(sources.migrations, scope)
      .read()
      .catch(() => []);
    for (const file of files) kinds.set(`${scope} ${file.name}`, kindOfFile(file));
  }
  return mapNodes(page, (record) => ({ ...record, kind: kinds.get(`${record.scope} ${record.name}`) ?? null }));
}

type StoredRecord = Omit<ShownRecord, 'kind'>;

async function readRecords(
  { catalog, constants, tenants }: HistorySources,
  { tenant: reference, scope, status, ...page }: HistoryArgs,
): Promise<ConnectionPage<StoredRecord>> {
  const where = status ? { status } : {};
  if (reference != null) {
    if (scope === 'AUTH' || scope === 'CONSTANTS') {
      throw badInput('scope', `A tenant's history has no migrations of ${scope}`);
    }
    const tenant = await tenantByReference(catalog, reference);
    // In the bin, its role cannot log in. What runs did to it is in the catalog.
    if (includesStatus(deletedStatuses, tenant.status)) {
      return fleetHistory(catalog, { ...where, ...(scope && { scope }), tenant: tenant.id }, page);
    }
    const { em } = tenants.lease(tenant);
    if (scope !== 'COMMON') return ownHistory(em, where, page, tenant);
    if (await hasCommon(em)) return ownHistory(em.fork({ schema: commonSchema }), where, page, tenant);
    return fleetHistory(catalog, { ...where, scope, tenant: tenant.id }, page);
  }
  if (scope === 'AUTH') return ownHistory(catalog.fork(), where, page, null);
  if (scope === 'CONSTANTS') return ownHistory(constants.fork(), where, page, null);
  return fleetHistory(catalog, scope === 'COMMON' ? { ...where, scope } : where, page);
}

/** A database has the schema as soon as something was applied to it. */
async function hasCommon(em: EntityManager): Promise<boolean> {
  const [row] = await em.execute<{ has: boolean }[]>('SELECT to_regclass(?) IS NOT NULL AS has', [
    `${commonSchema}.${historyTable}`,
  ]);
  return row?.has ?? false;
}

async function ownHistory(
  em: EntityManager,
  where: FilterQuery<HistoryRecord>,
  page: ConnectionArgs,
  tenant: Tenant | null,
): Promise<ConnectionPage<StoredRecord>> {
  const records = await entityConnection(em, HistoryRecord, page, { where, orderBy: { id: 'desc' } });
  return mapNodes(records, (record) => ({
    ...shown(record),
    run: record.run ?? null,
    tenant,
    deletedTenant: null,
    previousHash: null,
    acceptedBy: null,
  }));
}

async function fleetHistory(
  catalog: Catalog,
  where: FilterQuery<MigrationRecord>,
  page: ConnectionArgs,
): Promise<ConnectionPage<StoredRecord>> {
  const em = catalog.fork();
  const records = await entityConnection(em, MigrationRecord, page, { where, orderBy: { id: 'desc' } });
  await em.populate(
    records.edges.map(({ node }) => node),
    ['tenant'],
  );
  return mapNodes(records, (record) => ({
    ...shown(record),
    run: record.runId ?? null,
    previousHash: record.previousHash ?? null,
    acceptedBy: record.acceptedBy ?? null,
    tenant: record.tenant?.getEntity() ?? null,
    deletedTenant: record.deletedTenant ?? null,
  }));
}

function shown({
  scope,
  name,
  hash,
  status,
  checkpoint,
  appliedAt,
  durationMs,
  error,
}: HistoryRecord | MigrationRecord) {
  return {
    scope,
    name,
    hash,
    status,
    checkpoint: checkpoint ?? null,
    appliedAt,
    durationMs: durationMs ?? 0,
    error: error ?? null,
  };
}
