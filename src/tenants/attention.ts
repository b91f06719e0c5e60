import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import { Tenant, type TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { type ObservedState, storeMigrationStates } from '../catalog/migration-states.ts';
import { AppError } from '../lib/errors.ts';
import { readApplied } from '../migrator/apply/apply.ts';
import { findInvalidIndexes } from '../migrator/apply/concurrent-indexes.ts';
import type { EntityTables } from '../migrator/diff/entity-tables.ts';
import { readLastFailure } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-files.ts';
import { planUp } from '../migrator/files/plan.ts';
import type { Servers } from '../postgres/server.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';

/** What resolving a tenant needs. */
export interface ResolveOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly files: readonly MigrationFile[];
  /** What the modules' entities say that tenants' tables should be. */
  readonly tables: EntityTables;
  readonly lockTimeoutMs: number;
}

/** What was found in a tenant, and what came of it. */
export interface Resolution {
  /** As it is afterwards. */
  readonly tenant: Tenant;
  /** Names, in the order of application. */
  readonly applied: readonly string[];
  /** Names of those that the code has and the tenant has not; empty also if its history does not fit the files. */
  readonly pending: readonly string[];
  /** The last attempt that failed and has not succeeded since. */
  readonly lastFailure: string | null;
  /** What speaks against serving it. */
  readonly problems: readonly string[];
  /** Whether it has the status again that it had before it needed attention. */
  readonly resolved: boolean;
}

/** The statuses of tenants that can be looked at: nobody else is making or replacing them. */
const settled: readonly TenantStatus[] = ['NEEDS_ATTENTION', 'ACTIVE', 'SUSPENDED'];

/**
 * Looks into a tenant, writes down in the catalog which migrations it has, and, if it needs attention, gives it back the status
 * that it had before: at once if nothing speaks against it, else only by `force`. A tenant that needs none keeps its status.
 * @throws {AppError} TENANT_BUSY while it is migrated or its database replaced, CONFLICT if it is not there, SERVER_BUSY
 */
export async function resolveAttention(options: ResolveOptions, tenant: Tenant, force: boolean): Promise<Resolution> {
  const { catalog, files } = options;
  if (!settled.includes(tenant.status)) {
    const code = tenant.status === 'MAINTENANCE' ? 'TENANT_BUSY' : 'CONFLICT';
    throw new AppError(code, `The tenant ${tenant.slug} is ${tenant.status}, which ends by itself`);
  }
  const { found, lastFailure, problems } = await lookInto(options, tenant);
  const plan = planUp(files, found.applied);
  const needed = tenant.status === 'NEEDS_ATTENTION';
  const resolved = needed && (force || problems.length === 0);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await storeMigrationStates(client, [{ tenantId: tenant.id, ...found }]);
      if (resolved) await giveBackStatus(client, tenant.id);
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

async function lookInto(
  { servers, files, tables, lockTimeoutMs }: ResolveOptions,
  { slug, server, database, schema }: Tenant,
): Promise<Findings> {
  const known = servers.get(server);
  if (!known) throw new AppError('SERVER_BUSY', `The server ${server} of tenant ${slug} is not known here`);
  try {
    return await known.owner(database, async (client) => {
      const found = await readApplied(client, { scope: 'TENANT', schema, files, lockTimeoutMs });
      const invalid = await findInvalidIndexes(client, schema);
      const plan = planUp(files, found.applied);
      // Before the last migration, tables are expected to differ.
      const isCurrent = plan.kind === 'steps' && plan.steps.length === 0;
      const differences = isCurrent ? await tables.differences(client, schema) : [];
      const problems = [
        ...(plan.kind === 'refusal' ? [`${plan.code}: ${plan.message}`] : []),
        ...invalid.map((name) => `The index ${name} is INVALID: drop it, or run REINDEX INDEX CONCURRENTLY`),
        ...differences.map((sql) => `It has all migrations, and is not as the entities say without: ${sql}`),
      ];
      return { found, problems, lastFailure: await readLastFailure(client, schema) };
    });
  } catch (error) {
    throw explained(error, slug, database);
  }
}

function explained(error: unknown, slug: string, database: string): unknown {
  const state = sqlStateOf(error);
  if (state === sqlState.lockNotAvailable) {
    return new AppError('TENANT_BUSY', `The tenant ${slug} is being migrated. Try again in a moment.`, {
      cause: error,
    });
  }
  if (state !== sqlState.invalidCatalogName) return error;
  return new AppError('CONFLICT', `The database ${database} of tenant ${slug} is gone`, { cause: error });
}

async function giveBackStatus(client: pg.Client, id: string): Promise<void> {
  await client.query(
    `UPDATE tenants SET status = coalesce(status_before_attention, 'ACTIVE'), status_before_attention = NULL
     WHERE id = $1 AND status = 'NEEDS_ATTENTION'`,
    [id],
  );
}
