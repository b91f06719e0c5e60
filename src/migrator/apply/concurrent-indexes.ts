import type pg from 'pg';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import type { BuiltIndex } from '../../postgres/sql/statement-facts.ts';
import type { Statement } from '../../postgres/sql/statements.ts';

/**
 * Finds the indexes that PostgreSQL marks as INVALID: left by a concurrent build or drop that failed or was
 * interrupted. No query uses them, but a unique one still refuses rows. Ignored are indexes being built at this moment,
 * and those of partitioned tables, which are INVALID until all partitions have theirs.
 * @param client the owner's connection
 * @param schema if omitted, the whole database
 * @returns their names, schema-qualified and quoted
 * @see https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
 */
export async function findInvalidIndexes(client: pg.Client, schema?: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE NOT indisvalid AND ($1::text IS NULL OR nspname = $1) AND relkind = 'i' AND NOT relispartition
       AND NOT EXISTS (
         SELECT FROM pg_stat_progress_create_index p WHERE p.datname = current_database() AND p.index_relid = i.indexrelid)
     ORDER BY nspname, relname`,
    [schema ?? null],
  );
  return rows.map(({ name }) => name);
}

/**
 * Drops the indexes that {@link findInvalidIndexes} finds in a schema.
 * @param client the owner's connection, outside a transaction
 */
export async function dropInvalidIndexes(client: pg.Client, schema: string): Promise<void> {
  for (const name of await findInvalidIndexes(client, schema)) {
    await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
  }
}

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
  has({ buildsIndex: index }: Pick<Statement, 'buildsIndex'>): boolean {
    return index !== undefined && this.#built.has(keyOf(index.name ?? chosenName(index), index.table));
  }

  /**
   * Whether an earlier attempt has already done the statement. An index of that name on that table is the one that the
   * attempt built; any other object of that name existed before. PostgreSQL would build an index without a name once
   * more, under another name, so that is found out before it is sent.
   * @param error what PostgreSQL answered; undefined before the statement is sent
   */
  isDone(statement: Statement, error?: unknown): boolean {
    if (error === undefined) return statement.buildsIndex?.name === undefined && this.has(statement);
    const state = sqlStateOf(error);
    if (state === sqlState.undefinedObject) return statement.dropsIndex;
    return state === sqlState.duplicateTable && this.has(statement);
  }
}

function keyOf(index: string, table: string): string {
  return JSON.stringify([index, table]);
}

/** The longest name in PostgreSQL, in bytes. */
const NAME_BYTES = 63;

/**
 * The name that PostgreSQL chooses for an index, if no other object has it: table, columns and `idx`, shortened to 63
 * bytes. See ChooseIndexName and makeObjectName in PostgreSQL's indexcmds.c.
 */
function chosenName({ table, columns }: BuiltIndex): string {
  const unique: string[] = [];
  for (const column of columns) {
    let name = column;
    for (let number = 1; unique.includes(name); number += 1) name = `${column}${number}`;
    unique.push(name);
  }
  const names = [table, unique.join('_')].map((name) => Buffer.from(name));
  const available = NAME_BYTES - '__idx'.length;
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = names;
  let [a, b] = [first.length, second.length];
  while (a + b > available) {
    if (a > b) a -= 1;
    else b -= 1;
  }
  return `${clipped(first, a)}_${clipped(second, b)}_idx`;
}

/** Cuts a name without leaving half a character. */
function clipped(name: Buffer, bytes: number): string {
  return new TextDecoder().decode(name.subarray(0, bytes), { stream: true });
}
