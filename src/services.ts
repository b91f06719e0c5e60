import type { EntityManager } from '@mikro-orm/postgresql';
import type { JWK } from 'jose';
import type { Logger } from 'pino';
import type { HourlyLimits } from './accounts/hourly-limits.ts';
import type { Identities } from './accounts/identities.ts';
import type { RepeatedAudit } from './accounts/repeated-audit.ts';
import type { SignInOptions } from './accounts/sign-in.ts';
import type { SignInLimits } from './accounts/sign-in-limits.ts';
import type { Tokens } from './accounts/tokens.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { MigrationScope } from './catalog/migration-record.entity.ts';
import type { TenantDirectory } from './catalog/tenant-directory.ts';
import type { Config } from './config.ts';
import type { HealthCheck } from './health/check-health.ts';
import type { CheckpointsOptions } from './migrator/checkpoints.ts';
import type { MigrationFolder } from './migrator/migration-files.ts';
import type { RunsOptions } from './migrator/start-run.ts';
import type { EntityTables } from './postgres/entity-tables.ts';
import type { Lane } from './postgres/lane.ts';
import type { Listener } from './postgres/listener.ts';
import type { ProvisioningOptions } from './provisioning/create-tenant.ts';
import type { ServerRegistry } from './provisioning/server-registry.ts';
import type { SecretBox } from './secret-box.ts';
import type { KnownPermissions } from './tenancy/known-permissions.ts';
import type { TenantConnections } from './tenancy/tenant-connections.ts';

/** Everything that the API and the command line call, as the composition root has built it. */
export interface Services {
  readonly config: Config;
  readonly log: Logger;
  readonly startedAt: Date;
  /** Aborted when the server begins to stop: long-lived streams end then, and it is not ready any more. */
  readonly stopping: AbortSignal;
  readonly servers: ServerRegistry;
  readonly catalog: Catalog;
  /** The constants database. */
  readonly constants: { fork(): EntityManager; readonly lane: Lane };
  readonly listener: Listener;
  readonly directory: TenantDirectory;
  readonly tenants: TenantConnections;
  readonly permissions: KnownPermissions;
  readonly provisioning: ProvisioningOptions;
  readonly migrations: {
    readonly auth: MigrationFolder;
    readonly constants: MigrationFolder;
    readonly tenant: MigrationFolder;
  };
  /** What the entities say that each kind of database's tables should be. */
  readonly tables: Readonly<Record<MigrationScope, EntityTables>>;
  readonly runs: RunsOptions;
  readonly checkpoints: CheckpointsOptions;
  readonly tokens: Tokens;
  /** The public keys of `tokens`, as others can read them. */
  readonly publishedKeys: readonly JWK[];
  readonly identities: Identities;
  readonly accounts: SignInOptions;
  readonly signInLimits: SignInLimits;
  readonly hourlyLimits: HourlyLimits;
  /** Seals the ids of devices that people have signed in with, for their accounts. */
  readonly devices: SecretBox;
  /** Writes what callers can repeat at will to the audit log. */
  readonly repeatedAudit: RepeatedAudit;
  /** Whether the databases answer. */
  readonly health: HealthCheck;
}
