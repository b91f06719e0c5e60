import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { Isolation } from '../catalog/entities/tenant.entity.ts';
import type { InProgress } from '../catalog/in-progress.ts';
import type { Listener } from '../postgres/listener.ts';
import type { ServerRegistry } from '../servers/registry.ts';

/** What creating, recovering and removing tenants needs. */
export interface ProvisioningOptions {
  readonly catalog: Catalog;
  readonly listener: Listener;
  readonly servers: ServerRegistry;
  readonly defaultIsolation: Isolation;
  readonly sharedDatabase: string;
  /** The tenants that this process is creating or removing. */
  readonly inProgress: InProgress;
  /** Removes what the modules keep of a tenant outside of its database. Idempotent. */
  readonly removeFromModules: (tenant: string) => Promise<void>;
  readonly log: Logger;
}
