import type { EntityManager } from '@mikro-orm/postgresql';
import type { KnownTenant } from '../catalog/tenant-directory.ts';
import type { CheckpointsOptions } from '../checkpoints/checkpoints.ts';
import type { MigrationFolder } from '../migrator/files/migration-folder.ts';
import type { ProvisioningOptions } from '../tenants/options.ts';

/** What moving and cloning tenants needs. */
export interface TransferOptions extends ProvisioningOptions {
  readonly checkpoints: CheckpointsOptions;
  /** The migrations of this process's code. */
  readonly migrations: { readonly tenant: MigrationFolder };
  readonly lockTimeoutMs: number;
  /** Masks the rows of a new clone with the modules' own code, as the tenant's role. */
  readonly neutralize: (tenant: KnownTenant) => Promise<void>;
}

/** Masks rows through an entity manager of a tenant. */
export type Neutralize = (em: EntityManager) => Promise<void>;
