/** How much harm a statement can do to a table with rows. */
export type WarningSeverity = 'ERROR' | 'WARNING' | 'INFO';

/** The rules for statements. The names are squawk's where it has the same rule; see https://squawkhq.com/docs/rules. */
export const lintRules = [
  'adding-exclusion-constraint',
  'adding-field-with-default',
  'adding-foreign-key-constraint',
  'adding-not-nullable-field',
  'adding-required-field',
  'attaching-partition',
  'ban-alter-domain-with-add-constraint',
  'ban-drop-cascade',
  'ban-drop-column',
  'ban-drop-table',
  'ban-truncate-cascade',
  'changing-column-type',
  'changing-rows',
  'constraint-missing-not-valid',
  'disallowed-unique-constraint',
  'locking-table',
  'renaming-column',
  'renaming-table',
  'require-concurrent-index-creation',
  'require-concurrent-index-deletion',
  'rewriting-table',
  'unused-allowance',
  'validating-in-same-batch',
] as const;

/** The name of a rule. */
export type LintRule = (typeof lintRules)[number];

/** What PostgreSQL does for all rows of a table. How long the lock lasts depends on it and on the table's size. */
export interface TableWork {
  /**
   * `REWRITE`: writes the table and its indexes anew. `SCAN`: reads the table. `INDEX`: reads and sorts it. `LOOKUP`: looks up
   * each row in another table. `UPDATE`: writes a new version of each row.
   */
  readonly kind: 'REWRITE' | 'SCAN' | 'INDEX' | 'LOOKUP' | 'UPDATE';
  /** The columns that it reads, if the statement names them and they matter. */
  readonly columns: readonly string[];
  /** The table in which rows are looked up, as the statement names it. */
  readonly lookedUpIn?: { readonly schema: string | undefined; readonly table: string } | undefined;
}

/** What a statement does to a table that has rows and is in use. */
export interface Risk {
  readonly rule: LintRule;
  readonly severity: WarningSeverity;
  /** The table that is locked, rewritten or lost; undefined if the statement does not name it. */
  readonly table: string | undefined;
  /** What is locked, rewritten or lost, and for how long in principle. */
  readonly message: string;
  /** The safe way, with SQL to copy where there is some. */
  readonly advice: string;
  /** Undefined if it takes as long whatever the table's size. */
  readonly work?: TableWork | undefined;
}

/** What a statement does to tables. */
export interface TableEffects {
  /** The tables that it creates, which have no rows that others use. */
  readonly creates: readonly string[];
  readonly risks: readonly Risk[];
  /** The constraints that it adds without checking existing rows. */
  readonly addsNotValid: readonly string[];
  /** The constraints for which it checks existing rows, and their table. */
  readonly validates: readonly { readonly name: string; readonly table: string }[];
}

/** How SQL in advice shows what the author has to fill in. */
export const rest = '…';

/** Work for which the columns don't matter. */
export function workOf(kind: TableWork['kind'], columns: readonly string[] = []): TableWork {
  return { kind, columns };
}

/**
 * The advice for what has to be sent outside of the batch's transaction. Without the option, a tenant with a database of its own is
 * copied first, and not served meanwhile.
 */
export const alone =
  'in a migration of its own with `override isTransactional() { return false; }`, and run it with --separate-transactions';
