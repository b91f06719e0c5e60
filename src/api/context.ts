import type { EntityManager } from '@mikro-orm/postgresql';
import type { Logger } from 'pino';
import type { Identity } from '../auth/tokens/tokens.ts';
import type { KnownMembership, KnownTenant } from '../catalog/tenant-directory.ts';
import type { SharedConstants } from '../constants/lookup.ts';
import type { Services } from '../installation/services.ts';
import { AppError } from '../lib/errors.ts';
import type { TenantMember } from '../routing/permissions.ts';
import type { AnswerSize } from './limits/answer-size.ts';

/**
 * A request's tenant, and its database. All but `isNamed` throws an AppError if the request names no tenant
 * (TENANT_REQUIRED), or one that is not served.
 */
export interface TenantContext {
  /** Whether the request names a tenant at all. */
  readonly isNamed: boolean;
  /** What the catalog says of the tenant. */
  readonly row: KnownTenant;
  /** What the caller is in it; undefined for someone who is no member. */
  readonly role: string | undefined;
  /** The caller as seen from inside it; undefined for someone who is no member. */
  readonly member: TenantMember | undefined;
  /** Sees this tenant's tables and no others. The database is leased at its first use, until the operation ends. */
  readonly em: EntityManager;
  /** What the caller may do in it, such as `orders:write`; see `KnownPermissions`. */
  permissions(): Promise<ReadonlySet<string>>;
  /** To be called after what members may do in it has been changed. */
  permissionsChanged(): Promise<void>;
  /** Those of some users who are its members, by their ids. */
  membershipsOf(users: readonly string[]): Promise<ReadonlyMap<string, KnownMembership>>;
}

/** The caller, where the field's scope lets nobody through without a token. */
export function callerOf({ identity }: Pick<Context, 'identity'>): Identity {
  if (identity) return identity;
  throw new AppError('UNAUTHENTICATED', 'A token is needed: send the header “authorization: Bearer <token>”');
}

/** What resolvers are given. */
export interface Context {
  readonly requestId: string;
  /** Undefined without a token. */
  readonly identity: Identity | undefined;
  readonly tenant: TenantContext;
  /** The address that the request comes from; undefined if that is not known. */
  readonly address: string | undefined;
  /** What all tenants share, such as currencies. */
  readonly constants: SharedConstants;
  /** The whole installation; for the platform's own fields, and not for modules. */
  readonly services: Services;
  readonly log: Logger;
  /** Counts what is answered. */
  readonly answer: AnswerSize;
  /**
   * Makes a signal that comes when the client goes away or the server stops; and, in a subscription, when its token ends, its
   * user may do less or its tenant is not served any more.
   */
  readonly signal: () => AbortSignal;
}
