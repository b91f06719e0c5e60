import type { Logger } from 'pino';
import type { TenantDirectory } from '../catalog/tenant-directory.ts';
import type { TenantConnections } from './tenant-connections.ts';

/** How long requests that are under way may still use their tenant, in milliseconds. */
const GRACE_MS = 500;

/**
 * Closes this process's connections to a tenant when the tenant is suspended, deleted or otherwise no longer served. A request that
 * has written may read what it answers before. Connections in use are closed when their request releases them.
 */
export function closeRefusedConnections(directory: TenantDirectory, tenants: TenantConnections, log: Logger): void {
  directory.onChange((changed) => {
    const open = tenants.opened().filter(({ id }) => changed === undefined || id === changed);
    if (open.length === 0) return;
    const close = async () => {
      const closed = await directory.closedAmong(open.map(({ id }) => id));
      await Promise.all(open.filter(({ id }) => closed.has(id)).map((tenant) => tenants.close(tenant, GRACE_MS)));
    };
    // Connections that stay open are idle, and the idle timeout closes them.
    close().catch((err: unknown) =>
      log.warn({ err }, 'could not close connections to tenants that are no longer served'),
    );
  });
}
