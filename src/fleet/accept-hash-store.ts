import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { type ObservedState, storeMigrationStates } from '../catalog/migration-states.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';

/** The result of accepting a changed file in one database. */
export interface Acceptance {
  /** Null for a system database. */
  readonly tenant: Tenant | null;
  /** The migration as it is in the code now. */
  readonly file: MigrationFile;
  /** The hash that the history held before; null if it could not be changed. */
  readonly previousHash: string | null;
  readonly acceptedBy: string;
  readonly acceptedAt: Date;
  readonly durationMs: number;
  readonly error: string | null;
}

/** The migrations found in a tenant's history. */
export interface TenantState extends ObservedState {
  readonly tenantId: string;
}

/** Records, for many databases at once, the accepted hashes and the current state of their histories. */
export async function recordAcceptances(
  catalog: Catalog,
  accepted: readonly Acceptance[],
  states: readonly TenantState[],
): Promise<void> {
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await insertRecords(client, accepted);
      await storeMigrationStates(client, states);
    }),
  );
}

async function insertRecords(client: pg.Client, accepted: readonly Acceptance[]): Promise<void> {
  await client.query(
    `INSERT INTO migration_records
       (tenant_id, scope, name, hash, status, applied_at, duration_ms, previous_hash, accepted_by)
     SELECT tenant_id, scope, name, hash, 'APPLIED', applied_at, duration_ms, previous_hash, accepted_by
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::float8[], $7::text[], $8::text[])
       AS a (tenant_id, scope, name, hash, applied_at, duration_ms, previous_hash, accepted_by)`,
    [
      accepted.map(({ tenant }) => tenant?.id),
      accepted.map(({ file }) => file.scope),
      accepted.map(({ file }) => file.name),
      accepted.map(({ file }) => file.hash),
      accepted.map(({ acceptedAt }) => acceptedAt),
      accepted.map(({ durationMs }) => durationMs),
      accepted.map(({ previousHash }) => previousHash),
      accepted.map(({ acceptedBy }) => acceptedBy),
    ],
  );
}
