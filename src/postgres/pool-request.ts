import type pg from 'pg';
import type { Priority } from './pool/pool.ts';

/** What the connections of a pool have in common. */
export interface PoolRequest {
  /** Defaults to the maintenance database. */
  readonly database?: string | undefined;
  /** The role to connect as; `serving` is the role of the server's address. Defaults to the admin, who may do everything. */
  readonly role?: { readonly name: string; readonly password: string } | 'serving';
  readonly max: number;
  readonly priority: Priority;
  /** See `PoolOptions.keepIdle`. */
  readonly keepIdle?: boolean;
  /** See `PoolOptions.keepFailed`. */
  readonly keepFailed?: boolean;
  /** See `PoolOptions.isPatient`. */
  readonly isPatient?: boolean;
  /** See `PoolOptions.silenceMs`. */
  readonly silenceMs?: number;
  /** Settings of each session, such as `search_path`. They are sent when connecting, without another round trip. */
  readonly session?: Readonly<Record<string, string>>;
  /** The type parsers of node-postgres. */
  readonly types?: pg.CustomTypesConfig;
  /**
   * Whether its connections go through the server's pooler, if it has one. No settings are sent then: `session` must be settings
   * of the role.
   */
  readonly pooled?: boolean;
  /** Whether its connections are for logical replication: they accept replication commands, and SQL without parameters. */
  readonly replication?: boolean;
}
