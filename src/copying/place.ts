import type pg from 'pg';

/** A schema with a tenant's tables, and connections to its database. */
export interface CopyPlace {
  readonly database: string;
  readonly schema: string;
  /**
   * Runs `work` with a connection to the database as the owner of the tables. Each call uses another connection.
   * @param signal ends the wait for a connection
   */
  use<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** A place whose changes can be streamed. */
export interface SourcePlace extends CopyPlace {
  /** As `use`, with a replication connection to the database. */
  replicate<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** The progress of a copy. */
export interface CopyProgress {
  readonly rowsCopied: number;
  /** An estimate until all tables are copied. */
  readonly rowsTotal: number;
  readonly bytesCopied: number;
}
