/** Something that an interruption, or somebody's hand, has left behind. */
export interface Leftover {
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
  /**
   * What mends it without losing anything: a start, as any server makes it; or a statement, and where it is to be sent,
   * one database after the other, outside a transaction.
   */
  readonly fix?: 'start' | { readonly server: string; readonly databases: readonly string[]; readonly sql: string };
}

/** The remedy of what `mend` mends. */
export const howToFix = 'tenantry doctor --fix mends it';

/** The remedy of what a start mends. */
export const startFixes = 'Every start of a server ends this, and so does tenantry doctor --fix';

/** Databases that are looked into at once. */
export const AT_ONCE = 8;
