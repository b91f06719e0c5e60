import type pg from 'pg';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';

const identifier = '("(?:[^"]|"")+"|[\\w$]+)';
const createIndex = new RegExp(
  `^create\\s+(?:unique\\s+)?index\\s+concurrently\\s+(?:if\\s+not\\s+exists\\s+)?${identifier}\\s+on\\s+(?:only\\s+)?${identifier}`,
  'i',
);

/** The results of concurrent index statements in a schema without INVALID indexes. */
export class BuiltIndexes {
  readonly #built: ReadonlySet<string>;

  private constructor(built: ReadonlySet<string>) {
    this.#built = built;
  }

  /** @param client the owner's connection */
  static async read(client: pg.Client, schema: string): Promise<BuiltIndexes> {
    const { rows } = await client.query<{ index: string; table: string }>(
      `SELECT c.relname AS index, t.relname AS table
       FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE nspname = $1 AND indisvalid`,
      [schema],
    );
    return new BuiltIndexes(new Set(rows.map(({ index, table }) => keyOf(index, table))));
  }

  /** Whether the index that a CREATE INDEX CONCURRENTLY builds exists on that table. */
  has(statement: string): boolean {
    const [, index = '', table = ''] = createIndex.exec(statement) ?? [];
    return this.#built.has(keyOf(plainName(index), plainName(table)));
  }

  /**
   * Whether an error means that an earlier attempt has already done the statement. An index of that name on that table
   * is the one that the attempt built; any other object of that name existed before.
   */
  isDone(statement: string, error: unknown): boolean {
    const state = sqlStateOf(error);
    if (state === sqlState.undefinedObject) return isDropIndex(statement);
    return state === sqlState.duplicateTable && this.has(statement);
  }
}

/** Whether a statement drops an index concurrently, which leaves an INVALID index if it is interrupted. */
export function isDropIndex(statement: string): boolean {
  return /^drop\s+index\s+concurrently\b/i.test(statement);
}

/** Whether a statement builds an index concurrently, which leaves an INVALID index if it is interrupted. */
export function isCreateIndex(statement: string): boolean {
  return createIndex.test(statement);
}

function keyOf(index: string, table: string): string {
  return JSON.stringify([index, table]);
}

/** An identifier in the form in which PostgreSQL stores it. */
function plainName(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase();
}
