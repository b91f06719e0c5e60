import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { Isolation } from '../catalog/entities/tenant.entity.ts';
import type { InProgress } from '../catalog/in-progress.ts';
import type { Listener } from '../postgres/listener.ts';
import type { ServerRegistry } from '../servers/registry.ts';
import type { RecurringProblems } from './recurring-problems.ts';
import type { TenantFiles } from './tenant-files.ts';

/** What creating, recovering and removing tenants needs. */
export interface ProvisioningOptions {
  readonly catalog: Catalog;
  readonly listener: Listener;
  readonly servers: ServerRegistry;
  readonly defaultIsolation: Isolation;
  readonly sharedDatabase: string;
  /** How long a deleted tenant can be brought back, in days; 0: not at all. */
  readonly retentionDays: number;
  /** The tenants that this process is creating or removing. */
  readonly inProgress: InProgress;
  /** Opens what the modules keep of tenants outside of their databases. */
  readonly files: () => Promise<readonly TenantFiles[]>;
  /** What keeps this process from finishing or removing tenants. */
  readonly problems: RecurringProblems;
  readonly log: Logger;
}
