import type { InProgress } from '../catalog/in-progress.ts';
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
  /** The transfers that this process works on. */
  readonly underWay: InProgress;
  /** Masks the rows of a new clone with the modules' own code, as the tenant's role. */
  readonly neutralize: (tenant: KnownTenant) => Promise<void>;
}
