import type { EntityManager, EntitySchema } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { createEntityDatabases } from '../orm/databases.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import { AuditEntrySchema } from './entities/audit-entry.entity.ts';
import { CheckpointSchema } from './entities/checkpoint.entity.ts';
import { DatabaseServerSchema } from './entities/database-server.entity.ts';
import { MembershipSchema } from './entities/membership.entity.ts';
import { MigrationRecordSchema } from './entities/migration-record.entity.ts';
import { MigrationRunItemSchema, MigrationRunSchema } from './entities/migration-run.entity.ts';
import { MigrationStateSchema } from './entities/migration-state.entity.ts';
import { TenantSchema } from './entities/tenant.entity.ts';
import { UserSchema } from './entities/user.entity.ts';

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
  TenantSchema,
  UserSchema,
];

/** Tables of the `auth` database that are read and written with SQL alone. */
export const catalogPlainTables = [
  'migration_events',
  'tenant_maintenances',
  'common_states',
  'sessions',
  'user_identities',
  'refresh_tokens',
  'login_attempts',
  'invitations',
] as const;

/** The `auth` database: who the tenants are, where they are, and what runs did. */
export interface Catalog {
  /** Makes an entity manager with an identity map of its own; one for each operation. */
  fork(): EntityManager;
  /**
   * Lends a connection, for statements that entities are too slow or too plain for.
   * @param signal see {@link Pool.use}
   */
  use<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/**
 * @param pool a lane to `auth`
 * @param others entities that `auth` has like any other database
 */
export function openCatalog(pool: Pool, others: readonly EntitySchema[]): Catalog {
  const database = createEntityDatabases([...catalogEntities, ...others]).open(pool);
  return { fork: () => database.fork('public'), use: (work, signal) => pool.use(work, signal) };
}
