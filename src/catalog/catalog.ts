import type { EntityManager, EntitySchema } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { createEntityDatabases } from '../orm/databases.ts';
import { noteLostCommits } from '../postgres/pool/lost-commits.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import { AuditEntrySchema } from './entities/audit-entry.entity.ts';
import { CheckpointSchema } from './entities/checkpoint.entity.ts';
import { DatabaseServerSchema } from './entities/database-server.entity.ts';
import { MembershipSchema } from './entities/membership.entity.ts';
import { MigrationRecordSchema } from './entities/migration-record.entity.ts';
import { MigrationRunItemSchema, MigrationRunSchema } from './entities/migration-run.entity.ts';
import { MigrationStateSchema } from './entities/migration-state.entity.ts';
import { TenantSchema } from './entities/tenant.entity.ts';
import { TenantDriftSchema } from './entities/tenant-drift.entity.ts';
import { TenantTransferSchema } from './entities/tenant-transfer.entity.ts';
import { UserSchema } from './entities/user.entity.ts';
import { WebhookDeliverySchema, WebhookSchema } from './entities/webhook.entity.ts';

/** The entities of the `auth` database. */
export const catalogEntities = [
  AuditEntrySchema,
  CheckpointSchema,
  DatabaseServerSchema,
  MembershipSchema,
  MigrationRecordSchema,
  MigrationRunItemSchema,
  MigrationRunSchema,
  MigrationStateSchema,
  TenantDriftSchema,
  TenantSchema,
  TenantTransferSchema,
  UserSchema,
  WebhookDeliverySchema,
  WebhookSchema,
];

/** Tables of the `auth` database without an entity, which are used with SQL only. */
export const catalogPlainTables = [
  'migration_events',
  'tenant_deletions',
  'tenant_maintenances',
  'common_states',
  'fleet_checks',
  'sessions',
  'user_identities',
  'refresh_tokens',
  'login_attempts',
  'invitations',
  'tenant_loads',
  'tenant_transfer_events',
  'old_places',
  'tenant_usages',
  'connection_budgets',
] as const;

/** The `auth` database: tenants, users, servers and runs. */
export interface Catalog {
  /** Creates an entity manager with its own identity map; one for each operation. */
  fork(): EntityManager;
  /**
   * Runs work with a connection, for statements that entities cannot express or would slow down.
   * @param signal see {@link Pool.use}
   */
  use<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/**
 * @param pool a pool of connections to `auth`
 * @param others entities that every database has
 */
export function openCatalog(pool: Pool, others: readonly EntitySchema[]): Catalog {
  const watched = noteLostCommits(pool);
  const database = createEntityDatabases([...catalogEntities, ...others]).open(watched);
  return { fork: () => database.fork('public'), use: (work, signal) => watched.use(work, signal) };
}
