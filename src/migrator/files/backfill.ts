import { Migration } from '@mikro-orm/migrations';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';

/**
 * A tenants' migration that changes the rows of one table in batches, while requests go on. Each batch is a short
 * transaction, so a run that is interrupted or cancelled continues after the last batch. Migrations after it wait until it has
 * reached the last row. Rows that are inserted behind it are not changed: from the release before, the code must write
 * them as the backfill would.
 *
 * A `down()` says that it can be reverted. It is carried out like that of any other migration, and may do nothing.
 */
export abstract class Backfill extends Migration {
  /** The table, by its name in the tenant's schema. It must have a primary key. */
  abstract readonly table: string;

  /**
   * Returns the statement for the rows of one batch. It must always return the same for the same condition.
   * @param keys an SQL condition that holds for the rows of the batch. It names the table's primary key as `"table"."column"`,
   *   so the statement must not give the table an alias, nor change the key.
   */
  abstract batch(keys: string): string;

  /** Changes all rows in one statement, for databases that are being created. */
  override up(): void {
    // It is true of all rows, and fails like the conditions of batches if the statement gives the table an alias.
    this.addSql(this.batch(`${quoteIdentifier(this.table)}.tableoid IS NOT NULL`));
  }
}

/** The part of a {@link Backfill} that is known without a database. */
export interface BackfillStatement {
  readonly table: string;
  /** See {@link Backfill.batch}. */
  readonly batch: (keys: string) => string;
}

/**
 * Checks a backfill, and returns its table and statement; undefined for all other migrations.
 * @throws {Error} if it is invalid. The message continues a sentence that starts with the file's name.
 */
export function backfillOf(migration: Migration): BackfillStatement | undefined {
  if (!(migration instanceof Backfill)) return undefined;
  const { table } = migration;
  if (typeof table !== 'string' || table === '') throw new Error('must name the table of its rows: table = …');
  const batch = (keys: string) => migration.batch(keys);
  const marker = `${quoteIdentifier(table)}.tableoid = 0`;
  if (!String(batch(marker)).includes(marker)) {
    throw new Error(
      'must restrict its statement to the rows of the batch: batch() has to use the condition it is given',
    );
  }
  if (!migration.isTransactional()) throw new Error('must be transactional, because each batch is a transaction');
  return { table, batch };
}
