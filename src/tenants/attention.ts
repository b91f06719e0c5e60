import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { type ObservedState, storeMigrationStates } from '../catalog/migration-states.ts';
import { includesStatus } from '../catalog/steps.ts';
import { canTake, settledStatuses, takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { readApplied } from '../migrator/apply/apply.ts';
import { findInvalidIndexes } from '../migrator/apply/concurrent-indexes.ts';
import type { EntityTables } from '../migrator/diff/entity-tables.ts';
import { readLastFailure } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import type { MigrationFolder } from '../migrator/files/migration-folder.ts';
import { planUp } from '../migrator/files/plan.ts';
import type { Servers } from '../postgres/server.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { asOwner } from './as-owner.ts';
import { refusalNow } from './suspend.ts';

/** What inspecting a tenant needs. */
export interface AttentionOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly migrations: { readonly tenant: MigrationFolder };
  /** The tables that the modules' entities define. */
  readonly tables: { readonly TENANT: EntityTables };
  readonly config: { readonly migrations: { readonly lockTimeoutMs: number } };
}

/** The findings in a tenant, and the result. */
export interface Resolution {
  /** The tenant after the call. */
  readonly tenant: Tenant;
  /** Names in the order of application. */
  readonly applied: readonly string[];
  /** Names of migrations that the tenant lacks; also empty if its history does not match the files. */
  readonly pending: readonly string[];
  /** The error of the last failed attempt, unless a later one succeeded. */
  readonly lastFailure: string | null;
  /** Reasons not to serve the tenant. */
  readonly problems: readonly string[];
  /** Whether the tenant's previous status was restored. */
  readonly resolved: boolean;
}

/**
 * Inspects a tenant and stores its migrations in the catalog. If it needs attention and has no problems, or `force` is set, it
 * gets its previous status back. A tenant that does not need attention keeps its status.
 * @param reference its id or slug
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_BUSY while the tenant is migrated or in maintenance, CONFLICT if its database is
 *   missing, SERVER_BUSY
 */
export async function resolveAttention(
  options: AttentionOptions,
  reference: string,
  force: boolean,
): Promise<Resolution> {
  const { catalog, migrations } = options;
  const tenant = await tenantByReference(catalog, reference);
  const files = await migrations.tenant.read();
  if (!includesStatus(settledStatuses, tenant.status)) {
    if (tenant.status === 'DELETED' || tenant.status === 'MAINTENANCE')
      throw await refusalNow(catalog, tenant, reference);
    throw new AppError('CONFLICT', `The tenant ${tenant.slug} is ${tenant.status}. Try again when that has ended.`);
  }
  const { found, lastFailure, problems } = await inspect(options, files, tenant);
  const plan = planUp(files, found.applied);
  const needed = canTake(tenantSteps.resolve, tenant.status);
  const resolved = needed && (force || problems.length === 0);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await storeMigrationStates(client, [{ tenantId: tenant.id, ...found }]);
      if (resolved) await restoreStatus(client, tenant.id);
    }),
  );
  return {
    tenant: await catalog.fork().findOneOrFail(Tenant, { id: tenant.id }),
    applied: found.applied.map(({ name }) => name),
    pending: plan.kind === 'steps' ? plan.steps.map(({ name }) => name) : [],
    lastFailure,
    problems,
    resolved,
  };
}

interface Findings {
  readonly found: ObservedState;
  readonly lastFailure: string | null;
  readonly problems: readonly string[];
}

async function inspect(
  { servers, tables, config }: AttentionOptions,
  files: readonly MigrationFile[],
  tenant: Tenant,
): Promise<Findings> {
  const { slug, schema } = tenant;
  const { lockTimeoutMs } = config.migrations;
  const reading = asOwner(servers, tenant, async (client) => {
    const found = await readApplied(client, { scope: 'TENANT', schema, files, lockTimeoutMs });
    const invalid = await findInvalidIndexes(client, schema);
    const plan = planUp(files, found.applied);
    // Tables of a tenant with pending migrations are expected to differ.
    const isCurrent = plan.kind === 'steps' && plan.steps.length === 0;
    const differences = isCurrent ? await tables.TENANT.differences(client, schema) : [];
    const problems = [
      ...(plan.kind === 'refusal' ? [`${plan.code}: ${plan.message}`] : []),
      ...invalid.map((name) => `The index ${name} is INVALID: drop it, or run REINDEX INDEX CONCURRENTLY`),
      ...differences.map((sql) => `It has all migrations, but its tables differ from the entities. Missing: ${sql}`),
    ];
    return { found, problems, lastFailure: await readLastFailure(client, schema) };
  });
  return reading.catch((error: unknown) => {
    if (sqlStateOf(error) !== sqlState.lockNotAvailable) throw error;
    throw new AppError('TENANT_BUSY', `The tenant ${slug} is being migrated. Try again in a moment.`, { cause: error });
  });
}

async function restoreStatus(client: pg.Client, id: string): Promise<void> {
  await client.query(takeStepSql(tenantSteps.resolve, { where: 't.id = $1', set: 'status_before_attention = NULL' }), [
    id,
  ]);
}
