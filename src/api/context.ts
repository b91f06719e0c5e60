import type { EntityManager } from '@mikro-orm/postgresql';
import type { Logger } from 'pino';
import type { Identity } from '../auth/tokens/tokens.ts';
import type { KnownMembership, KnownTenant } from '../catalog/tenant-directory.ts';
import type { SharedConstants } from '../constants/lookup.ts';
import type { ModuleServices } from '../installation/module-services.ts';
import type { Services } from '../installation/services.ts';
import { AppError } from '../lib/errors.ts';
import type { TenantMember } from '../routing/permissions.ts';
import type { TenantStatement } from '../routing/tenant-statement.ts';
import type { AnswerSize } from './limits/answer-size.ts';

/**
 * The tenant of a request and its database. Every member except `isNamed` throws an AppError if the request names no
 * tenant (TENANT_REQUIRED) or names one that is not served.
 */
export interface TenantContext {
  /** Whether the request names a tenant. */
  readonly isNamed: boolean;
  /** The tenant as stored in the catalog. */
  readonly row: KnownTenant;
  /** The caller's role in the tenant; undefined for non-members. */
  readonly role: string | undefined;
  /** The caller as a member of the tenant; undefined for non-members. */
  readonly member: TenantMember | undefined;
  /** Accesses only this tenant's tables. The database is leased on first use, until the operation ends. */
  readonly em: EntityManager;
  /**
   * Runs a statement that reads this tenant's tables and returns its one value. It sees what the operation has committed,
   * and what it has written in a transaction of `em` that is still open.
   */
  read(statement: TenantStatement): Promise<string | null>;
  /** The caller's permissions in the tenant, such as `orders:write`; see `PermissionCache`. */
  permissions(): Promise<ReadonlySet<string>>;
  /** Call this after changing the permissions of any member. */
  permissionsChanged(): Promise<void>;
  /** The memberships of the given users in this tenant, by user id; non-members are left out. */
  membershipsOf(users: readonly string[]): Promise<ReadonlyMap<string, KnownMembership>>;
}

/** The caller of a field whose scope requires a token. */
export function callerOf({ identity }: Pick<Context, 'identity'>): Identity {
  if (identity) return identity;
  throw new AppError('UNAUTHENTICATED', 'A token is required: send the header “authorization: Bearer <token>”');
}

/** The context passed to resolvers. */
export interface Context {
  readonly requestId: string;
  /** Undefined without a token. */
  readonly identity: Identity | undefined;
  readonly tenant: TenantContext;
  /** The client's address; undefined if unknown. */
  readonly address: string | undefined;
  /** Reference data shared by all tenants, such as currencies. */
  readonly constants: SharedConstants;
  /** The whole installation; for the platform's own fields only, not for modules. */
  readonly services: Services;
  readonly moduleServices: ModuleServices;
  readonly log: Logger;
  /** Counts the size of the response. */
  readonly answer: AnswerSize;
  /**
   * Creates a signal that is aborted when the client disconnects or the server stops. In a subscription it is also
   * aborted when the token expires, the user loses access or the tenant is no longer served.
   */
  readonly signal: () => AbortSignal;
}
