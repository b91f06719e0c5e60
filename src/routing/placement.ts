import { randomInt } from 'node:crypto';
import type { Isolation } from '../catalog/entities/tenant.entity.ts';

/** Where a tenant's tables are. */
export interface Placement {
  /** The name of the PostgreSQL server. */
  readonly server: string;
  readonly database: string;
  readonly schema: string;
}

const keyAlphabet = '0123456789abcdefghijklmnopqrstuvwxyz';

/** Generates a tenant's key: ten characters of [0-9a-z], of which there are 3.6 × 10^15. */
export function newTenantKey(): string {
  return Array.from({ length: 10 }, () => keyAlphabet[randomInt(keyAlphabet.length)]).join('');
}

/** Returns the placement of a new tenant with this key. */
export function newPlacement(key: string, isolation: Isolation, server: string, sharedDatabase: string): Placement {
  return isolation === 'DATABASE'
    ? { server, database: `db_${key}`, schema: 'public' }
    : { server, database: sharedDatabase, schema: `tenant_${key}` };
}

/** The role that the tenant's requests connect as. */
export function tenantRole(key: string): string {
  return `tenant_${key}`;
}

/** The roles of one installation on a server, named after its `auth` database. */
export function installationRoles(authDatabase: string) {
  return {
    /** The role for connections to the system databases. */
    app: `${authDatabase}_app`,
    /** May read and write the rows of every database cloned from the template, but may not connect to any of them. */
    databaseTenants: `${authDatabase}_database_tenants`,
    /** May connect to the shared database and do nothing else. */
    schemaTenants: `${authDatabase}_schema_tenants`,
  };
}

/** See {@link installationRoles}. */
export type InstallationRoles = ReturnType<typeof installationRoles>;
