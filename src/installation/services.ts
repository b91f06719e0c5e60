import type { EntityManager } from '@mikro-orm/postgresql';
import type { JWK } from 'jose';
import type { Logger } from 'pino';
import type { Authenticator } from '../auth/authenticate.ts';
import type { HourlyLimits } from '../auth/hourly-limits.ts';
import type { RepeatedAudit } from '../auth/repeated-audit.ts';
import type { SignInOptions } from '../auth/sign-in.ts';
import type { SignInLimits } from '../auth/sign-in-limits.ts';
import type { Tokens } from '../auth/tokens/tokens.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { MigrationScope } from '../catalog/entities/migration-record.entity.ts';
import type { TenantDirectory } from '../catalog/tenant-directory.ts';
import type { CheckpointsOptions } from '../checkpoints/checkpoints.ts';
import type { Config } from '../config/config.ts';
import type { RecentFindings } from '../doctor/recent-findings.ts';
import type { Impacts } from '../fleet/impact/impacts.ts';
import type { FleetOverview } from '../fleet/overview/overview.ts';
import type { Runs } from '../fleet/runs/runs.ts';
import type { HealthCheck } from '../health/check.ts';
import type { Encryption } from '../lib/encryption.ts';
import type { EntityTables } from '../migrator/diff/entity-tables.ts';
import type { MigrationFolders } from '../migrator/files/migration-folders.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import type { PermissionCache } from '../routing/permission-cache.ts';
import type { TenantConnections } from '../routing/tenant-connections.ts';
import type { PoolerWatch } from '../servers/poolers/watch.ts';
import type { ServerRegistry } from '../servers/registry.ts';
import type { Meters } from '../telemetry/meters.ts';
import type { TenantLoads } from '../telemetry/tenant-load.ts';
import type { ProvisioningOptions } from '../tenants/options.ts';
import type { TransferOptions } from '../transfers/options.ts';
import type { Webhooks } from '../webhooks/webhooks.ts';
import type { ModuleServices } from './module-services.ts';

/** Everything that the API and the command line call, as the composition root has built it. */
export interface Services {
  readonly config: Config;
  readonly log: Logger;
  readonly startedAt: Date;
  /** Aborted when the server begins to stop: long-lived streams end then, and it is no longer ready. */
  readonly stopping: AbortSignal;
  readonly servers: ServerRegistry;
  readonly poolers: PoolerWatch;
  readonly catalog: Catalog;
  /** The constants database. */
  readonly constants: { fork(): EntityManager; readonly pool: Pool };
  readonly listener: Listener;
  readonly directory: TenantDirectory;
  readonly tenants: TenantConnections;
  readonly permissions: PermissionCache;
  readonly provisioning: ProvisioningOptions;
  readonly moduleServices: ModuleServices;
  readonly migrations: MigrationFolders;
  /** What the entities say that each kind of database's tables should be. */
  readonly tables: Readonly<Record<MigrationScope, EntityTables>>;
  readonly runs: Runs;
  readonly fleet: FleetOverview;
  readonly impacts: Impacts;
  readonly checkpoints: CheckpointsOptions;
  readonly transfers: TransferOptions;
  readonly tokens: Tokens;
  /** The public keys of `tokens`, as others can read them. */
  readonly publishedKeys: readonly JWK[];
  readonly authenticator: Authenticator;
  readonly accounts: SignInOptions;
  readonly signInLimits: SignInLimits;
  readonly hourlyLimits: HourlyLimits;
  /** Seals the ids of devices that people have signed in with, for their accounts. */
  readonly devices: Encryption;
  /** Writes what callers can repeat at will to the audit log. */
  readonly repeatedAudit: RepeatedAudit;
  readonly webhooks: Webhooks;
  /** Finds problems of the installation. */
  readonly doctor: RecentFindings;
  /** Whether the databases answer. */
  readonly health: HealthCheck;
  readonly meters: Meters;
  /** The requests of this process by tenant. */
  readonly loads: TenantLoads;
}
