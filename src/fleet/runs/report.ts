import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import { fromSql } from '../../catalog/run-status.ts';
import { statusSql } from '../../catalog/steps.ts';
import { AppError } from '../../lib/errors.ts';
import { isAliveSql } from '../../postgres/sql/advisory-lock.ts';

/** A tenant that a run failed to migrate. */
export interface RunFailure {
  readonly tenant: string;
  readonly error: string;
  readonly attempts: number;
  /** Whether the tenant was left changed, so that an operator has to check it. */
  readonly needsAttention: boolean;
}

/** What a run has done so far. */
export interface RunReport {
  readonly run: MigrationRun;
  /** Each migration that was applied or reverted, and the number of tenants. */
  readonly migrations: readonly { readonly name: string; readonly tenants: number }[];
  readonly failures: readonly RunFailure[];
  /** The number of tenants that have a snapshot from before the run, stored under the name of its restore point. */
  readonly copies: number;
}

/**
 * Reads the results of a run.
 * @throws {AppError} NOT_FOUND
 */
export async function readRunReport(catalog: Catalog, id: string): Promise<RunReport> {
  const run = await catalog.fork().findOne(MigrationRun, { id });
  if (!run) throw new AppError('NOT_FOUND', `There is no migration run ${id}`);
  return catalog.use(async (client) => {
    const migrations = await client.query<{ name: string; tenants: number }>(
      `SELECT name, count(*)::int AS tenants FROM migration_run_items, unnest(applied) AS name
       WHERE run_id = $1 GROUP BY name ORDER BY name COLLATE "C"`,
      [id],
    );
    const failures = await client.query<RunFailure>(
      `SELECT coalesce(slug, deleted_tenant, '?') AS tenant, coalesce(error, '') AS error, attempts,
         needs_attention AS "needsAttention"
       FROM migration_run_items i LEFT JOIN tenants t ON t.id = i.tenant_id
       WHERE run_id = $1 AND ${statusSql(['FAILED'], 'i.status')} ORDER BY position`,
      [id],
    );
    const copies = await client.query<{ count: number }>(
      `SELECT count(DISTINCT c.tenant_id)::int AS count FROM checkpoints c JOIN migration_run_items i ON i.tenant_id = c.tenant_id
       WHERE i.run_id = $1 AND c.name = $2 AND NOT c.is_dropping`,
      [id, run.checkpoint],
    );
    return { run, migrations: migrations.rows, failures: failures.rows, copies: copies.rows[0]?.count ?? 0 };
  });
}

/** Returns the slugs of a run's tenants, by id. */
export async function readRunTenants(catalog: Catalog, id: string): Promise<ReadonlyMap<string, string>> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string; slug: string }>(
      'SELECT t.id, t.slug FROM migration_run_items i JOIN tenants t ON t.id = i.tenant_id WHERE i.run_id = $1',
      [id],
    ),
  );
  return new Map(rows.map(({ id: tenant, slug }) => [tenant, slug]));
}

/** Whether a run is unfinished and no living process works on any of its tenants. */
export async function isRunLeft(catalog: Catalog, id: string): Promise<boolean> {
  const { rows } = await catalog.use((client) =>
    client.query(
      `SELECT FROM migration_runs WHERE id = $1 AND ended_at IS NULL AND NOT EXISTS (
         SELECT FROM migration_run_items i WHERE run_id = $1 AND ${fromSql('takeOver')} AND ${isAliveSql('i.claimed_by')})`,
      [id],
    ),
  );
  return rows.length > 0;
}
