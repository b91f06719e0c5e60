import type { Logger } from 'pino';
import type { TenantDirectory } from '../catalog/tenant-directory.ts';
import type { TenantConnections } from './tenant-connections.ts';

/**
 * Closes this process's connections to a tenant as soon as it is suspended, deleted or otherwise no more served: those in use
 * when their request gives them back.
 */
export function closeRefusedConnections(directory: TenantDirectory, tenants: TenantConnections, log: Logger): void {
  directory.onChange((changed) => {
    const open = tenants.known().filter(({ id }) => changed === undefined || id === changed);
    if (open.length === 0) return;
    const close = async () => {
      const closed = await directory.closedAmong(open.map(({ id }) => id));
      await Promise.all(open.filter(({ id }) => closed.has(id)).map((tenant) => tenants.close(tenant)));
    };
    // They are idle, and end in time all the same.
    close().catch((err: unknown) =>
      log.warn({ err }, 'connections to tenants that are not served cannot be closed now'),
    );
  });
}
