import type pg from 'pg';

/** How long a session may take to end, in milliseconds. */
const END_MS = 5_000;

/**
 * The application name of sessions in which people work as the owner of a tenant's tables. PostgreSQL cannot keep the owner out of
 * a place while it is copied, but it can tell these sessions from those that copy.
 * @param key the tenant's key
 */
export function ownerShellName(key: string): string {
  return `tenantry psql --owner ${key}`;
}

/** Ends the sessions of {@link ownerShellName}: what they write during a copy would be lost. */
export async function endOwnerShells(admin: pg.Client, key: string): Promise<void> {
  await admin.query('SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity WHERE application_name = $1', [
    ownerShellName(key),
    END_MS,
  ]);
}
