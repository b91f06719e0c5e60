import type { MigrationFolder } from '../../migrator/files/migration-folder.ts';
import type { ProvisioningOptions } from '../../tenants/options.ts';
import type { ArchiveLimits } from '../format/limits.ts';

/** What an import needs. */
export interface ImportOptions {
  readonly provisioning: ProvisioningOptions;
  /** The migrations of this installation's code. */
  readonly migrations: { readonly tenant: MigrationFolder };
  readonly limits: ArchiveLimits;
  /** Called with what is being done, and how much of it is done, from 0 to 1. */
  readonly onProgress?: (what: string, share: number) => void;
  readonly signal: AbortSignal;
}
