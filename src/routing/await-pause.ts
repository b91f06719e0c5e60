import type { KnownTenant, TenantDirectory } from '../catalog/tenant-directory.ts';

/** How long a request waits at most for a tenant that is paused, in milliseconds. */
const WAIT_MS = 2_000;
/** How long to wait before looking again without a notification, in milliseconds. */
const LOOK_MS = 500;

/**
 * Finds a tenant for a request. If the tenant is in maintenance for a moment only, such as while its database is copied by
 * template or at the end of a move, it waits for the end.
 * @returns the tenant as it is then, which may still be in maintenance
 */
export async function findAfterPause(
  directory: TenantDirectory,
  find: () => Promise<KnownTenant | undefined>,
): Promise<KnownTenant | undefined> {
  let tenant = await find();
  for (const start = performance.now(); tenant && isPaused(tenant); ) {
    const left = WAIT_MS - (performance.now() - start);
    if (left <= 0) break;
    // The change may come while the tenant is read.
    const changed = directory.nextChange(tenant.id, Math.min(left, LOOK_MS));
    tenant = await find();
    if (!tenant || !isPaused(tenant)) break;
    await changed;
    tenant = await find();
  }
  return tenant;
}

function isPaused({ status, pauseEndsAt }: KnownTenant): boolean {
  return status === 'MAINTENANCE' && pauseEndsAt != null;
}
