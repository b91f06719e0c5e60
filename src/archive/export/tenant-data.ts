import type pg from 'pg';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { settledStatuses } from '../../catalog/tenant-status.ts';
import { refuseLargeObjects } from '../../copying/large-objects.ts';
import { placeOn } from '../../copying/place-on.ts';
import { refuseRowSecurity } from '../../copying/row-security.ts';
import type { SequenceState } from '../../copying/sequences.ts';
import { beginInSnapshotSql, inSession, withSnapshot } from '../../copying/session.ts';
import type { StoredTable } from '../../copying/tables.ts';
import { AppError } from '../../lib/errors.ts';
import { readAppliedSql } from '../../migrator/files/history.ts';
import { isDistributed } from '../../postgres/citus/schemas.ts';
import { serverNamed } from '../../postgres/server.ts';
import { lockKeyOf, lockKind } from '../../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { quoteLiteral } from '../../postgres/sql/quote.ts';
import { refusalNow } from '../../tenants/suspend.ts';
import { readOwnSequences, readOwnTables } from '../tables.ts';
import type { ExportOptions } from './options.ts';

/** A tenant's rows as they were at one moment. The tenant is served meanwhile, and migrations wait. */
export interface TenantData {
  readonly tables: readonly StoredTable[];
  /** In the order of application. */
  readonly migrations: readonly AppliedMigration[];
  readonly schema: string;
  /** How many tables are read in one transaction. Each one is locked until its end. */
  readonly tablesAtOnce: number;
  /**
   * Reads the sequences as they are now. They have no snapshot: read after the rows, they are not lower than what rows have used.
   */
  sequences(): Promise<readonly SequenceState[]>;
  /** Runs `work` with a connection that sees that moment. */
  read<T>(work: (client: pg.Client) => Promise<T>): Promise<T>;
}

const TABLES_AT_ONCE = 40;
/** How long to wait for a migration of the tenant that has begun, in milliseconds. */
const MIGRATION_MS = 60_000;

/**
 * Runs `work` with a tenant's rows as they are now.
 * @throws {AppError} TENANT_BUSY while the tenant is migrated, created or in maintenance; CONFLICT if it is being deleted or has
 *   large objects, or row security hides rows
 */
export async function withTenantData<T>(
  { catalog, servers, signal }: Pick<ExportOptions, 'catalog' | 'servers' | 'signal'>,
  tenant: Tenant,
  work: (data: TenantData) => Promise<T>,
): Promise<T> {
  // The rest of its statuses are those of tenants whose database may be incomplete or closed.
  if (!settledStatuses.some((status) => status === tenant.status)) throw await refusalNow(catalog, tenant, tenant.slug);
  const place = placeOn(serverNamed(servers, tenant.server), tenant);
  const { schema } = place;
  await inSession(
    place,
    async (client) => {
      await refuseLargeObjects({ place, client });
      await refuseRowSecurity({ place, client });
    },
    signal,
  );
  return inSession(
    place,
    (client) =>
      // A migration could otherwise rewrite a table, which then looks empty to an older snapshot.
      withoutMigrations(client, tenant, async () => {
        const { rows: migrations } = await client.query<AppliedMigration>(readAppliedSql(schema));
        const tables = await readOwnTables(client, schema);
        // A node of Citus does not know the snapshot. Only a transaction sees one moment there.
        const tablesAtOnce = (await isDistributed(client, schema)) ? Number.POSITIVE_INFINITY : TABLES_AT_ONCE;
        const ofMoment = (snapshot: string) =>
          work({
            migrations: migrations.map(({ name, hash }) => ({ name, hash })),
            tables,
            schema,
            tablesAtOnce,
            sequences: () => readOwnSequences(client, schema),
            read: async (use) => {
              await client.query(beginInSnapshotSql(snapshot));
              const result = await use(client);
              await client.query('COMMIT');
              return result;
            },
          });
        return withSnapshot(place, undefined, ofMoment, signal);
      }),
    signal,
  );
}

/** Several exports may run at the same time, so they share the lock. */
async function withoutMigrations<T>(client: pg.Client, { slug, schema }: Tenant, work: () => Promise<T>): Promise<T> {
  const lock = `${lockKind.migrate}, ${lockKeyOf(quoteLiteral(schema))}`;
  try {
    await client.query(`SET LOCAL lock_timeout = ${MIGRATION_MS}; SELECT pg_advisory_lock_shared(${lock})`);
  } catch (error) {
    if (sqlStateOf(error) !== sqlState.lockNotAvailable) throw error;
    throw new AppError('TENANT_BUSY', `The tenant ${slug} is being migrated. Export it when that has ended.`, {
      cause: error,
      details: { retryAfterMs: MIGRATION_MS },
    });
  }
  const result = await work();
  await client.query(`SELECT pg_advisory_unlock_shared(${lock})`);
  return result;
}
