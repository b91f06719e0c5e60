/** Something that an interruption or a manual change has left behind. */
export interface Leftover {
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
  /**
   * A fix that loses no data: what every start of a server does, or a statement that is run in each of the databases in turn,
   * outside a transaction.
   */
  readonly fix?: 'start' | { readonly server: string; readonly databases: readonly string[]; readonly sql: string };
}

/** The remedy for leftovers with a `fix`. */
export const howToFix = 'To fix it, run tenantry doctor --fix';

/** The remedy for leftovers that every start of a server fixes. */
export const startFixes = 'Start a server or run tenantry doctor --fix: both fix it';

/** How long a session may be idle while it holds a lock, in seconds. */
export const IDLE_LOCK_SECONDS = 300;

/** The number of databases that are inspected at once. */
export const CONCURRENCY = 8;
