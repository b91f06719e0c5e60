import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import type { Relation } from './changes.ts';

/** A column of a table, apart from generated ones, whose values PostgreSQL does not stream. */
export interface ColumnShape {
  readonly name: string;
  /** Its type's OID and modifier in this database. */
  readonly type: number;
  readonly modifier: number;
  /** The type's name without its modifier, for casts. */
  readonly typeName: string;
  /** The type's name with its modifier, which is the same in both databases. */
  readonly fullType: string;
  /** Whether it is an identity column that only inserts with OVERRIDING SYSTEM VALUE may set. */
  readonly isAlwaysIdentity: boolean;
  readonly isPrimaryKey: boolean;
}

/** The columns of tables by the tables' names. */
export type TableShapes = ReadonlyMap<string, readonly ColumnShape[]>;

/** Reads the columns of a schema's tables with rows. The schema must be the search path. */
export async function readShapes(client: pg.Client, schema: string): Promise<TableShapes> {
  const { rows } = await client.query<ColumnShape & { readonly table: string }>(
    `SELECT relname AS table, attname AS name, atttypid::int8::float8 AS type, atttypmod AS modifier,
       format_type(atttypid, -1) AS "typeName", format_type(atttypid, atttypmod) AS "fullType",
       attidentity = 'a' AS "isAlwaysIdentity", coalesce(attnum = ANY (i.indkey), false) AS "isPrimaryKey"
     FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
       LEFT JOIN pg_index i ON indrelid = c.oid AND indisprimary AND indislive
     WHERE relnamespace = $1::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
     ORDER BY c.oid, attnum`,
    [quoteIdentifier(schema)],
  );
  return Map.groupBy(rows, ({ table }) => table);
}

/**
 * Checks that the tables to be streamed are the same at both places.
 * @throws {AppError} CONFLICT naming the first difference
 */
export function compareShapes(tables: Iterable<string>, source: TableShapes, target: TableShapes): void {
  for (const table of tables) {
    const [here, there] = [source.get(table), target.get(table)].map((columns) =>
      (columns ?? []).map(({ name, fullType, isAlwaysIdentity }) => `${name} ${fullType} ${isAlwaysIdentity}`).sort(),
    );
    if (here?.join('\n') !== there?.join('\n')) throw altered(table);
  }
}

/**
 * Checks that a table has still the columns that it had when the stream began.
 * @returns the target's columns in the order of the relation's
 * @throws {AppError} CONFLICT
 */
export function checkRelation(
  { name, columns }: Relation,
  source: TableShapes,
  target: TableShapes,
): readonly ColumnShape[] {
  const before = source.get(name) ?? [];
  const now = columns.map(({ name: column, type, modifier }) => {
    const same = before.find((each) => each.name === column && each.type === type && each.modifier === modifier);
    return same && target.get(name)?.find((each) => each.name === column);
  });
  const found = now.filter((column) => column !== undefined);
  if (found.length !== columns.length || found.length !== before.length) throw altered(name);
  return found;
}

/** The error for a table that somebody has altered since its rows were copied. */
export function altered(table: string): AppError {
  return new AppError(
    'CONFLICT',
    `Somebody has altered the table ${table} while the tenant was moved, and PostgreSQL does not stream such changes. Start the move again, and alter nothing until it has ended.`,
  );
}
