import { AppError } from '../../lib/errors.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import type { ColumnValue, Relation, RowChange, Tuple } from './changes.ts';
import type { ColumnShape } from './table-shapes.ts';

/** A table at the target to which changes are applied. */
export interface TargetTable {
  readonly relation: Relation;
  /** In the order of the relation's columns. */
  readonly columns: readonly ColumnShape[];
  /** The quoted name with its schema. */
  readonly sql: string;
}

/** Returns the start of an insert; rows of {@link rowSql} follow. Values of identity columns come from the source. */
export function insertSql({ sql, columns }: TargetTable): string {
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  // A table may have no columns, or generated ones only.
  return columns.length === 0
    ? `INSERT INTO ${sql} DEFAULT VALUES`
    : `INSERT INTO ${sql} (${names}) OVERRIDING SYSTEM VALUE VALUES `;
}

/** Returns a row to insert. */
export function rowSql(values: Tuple): string {
  return `(${values.map(literal).join(', ')})`;
}

/** Returns an update or a delete of one row. {@link renumberSql} comes before an update. */
export function changeSql(table: TargetTable, change: RowChange & { readonly kind: 'update' | 'delete' }): string {
  if (change.kind === 'delete') return `DELETE FROM ONLY ${table.sql} WHERE ${identitySql(table, change.old)}`;
  const assignments = table.columns.flatMap(({ name, isAlwaysIdentity }, index) => {
    const value = change.values[index];
    // PostgreSQL leaves out a large value that has not changed, and it cannot update such an identity column.
    return value === undefined || isAlwaysIdentity ? [] : [`${quoteIdentifier(name)} = ${literal(value)}`];
  });
  const before = change.old?.map((value, index) =>
    table.columns[index]?.isAlwaysIdentity ? (change.values[index] ?? value) : value,
  );
  const where = `WHERE ${identitySql(table, before ?? change.values)}`;
  // PostgreSQL counts the row all the same.
  if (assignments.length === 0) return `SELECT FROM ONLY ${table.sql} ${where}`;
  return `UPDATE ONLY ${table.sql} SET ${assignments.join(', ')} ${where}`;
}

/**
 * Returns a statement that gives a row the new values of its identity columns that only inserts may set: it inserts the row
 * again. It does nothing if they are the same.
 * @returns undefined if they are known to be the same
 */
export function renumberSql(table: TargetTable, change: RowChange & { readonly kind: 'update' }): string | undefined {
  const { sql, relation, columns } = table;
  const { old, values } = change;
  const changed = columns.flatMap((column, index) => {
    const value = values[index];
    // Without the old row, its key is the same.
    const before = old ? old[index] : relation.columns[index]?.isKey && value;
    // A row that is identified by its key has no values of other columns, not even that they are null.
    const isKnown = relation.identity === 'f' || relation.columns[index]?.isKey === true;
    return column.isAlwaysIdentity && value != null && !(isKnown && before === value) ? [{ ...column, value }] : [];
  });
  if (changed.length === 0) return undefined;
  const names = columns.map(({ name }) => quoteIdentifier(name));
  const kept = columns.map((column) => {
    const found = changed.find(({ name }) => name === column.name);
    return found ? `${literal(found.value)}::${found.typeName}` : quoteIdentifier(column.name);
  });
  const differs = changed.map((column) => `NOT ${equalSql(column, column.value)}`);
  return `WITH gone AS (DELETE FROM ONLY ${sql} WHERE ${identitySql(table, old ?? values)} AND (${differs.join(' OR ')}) RETURNING *)
    INSERT INTO ${sql} (${names.join(', ')}) OVERRIDING SYSTEM VALUE SELECT ${kept.join(', ')} FROM gone`;
}

/** Returns a statement that empties tables at once, because they may refer to each other. */
export function truncateSql(tables: readonly TargetTable[]): string {
  return `TRUNCATE ONLY ${tables.map(({ sql }) => sql).join(', ONLY ')}`;
}

/** Returns the condition that selects the row with this identity. */
function identitySql({ sql, relation, columns }: TargetTable, row: Tuple): string {
  const isFull = relation.identity === 'f';
  const hasPrimaryKey = columns.some(({ isPrimaryKey }) => isPrimaryKey);
  const parts = columns.flatMap((column, index) => {
    const isPart = isFull ? column.isPrimaryKey || !hasPrimaryKey : relation.columns[index]?.isKey === true;
    return isPart ? [{ column, value: row[index] }] : [];
  });
  if (parts.length === 0 || parts.some(({ value }) => value === undefined)) {
    throw new AppError(
      'CONFLICT',
      `PostgreSQL did not say which row of the table ${relation.name} has changed. Check the table's replica identity and start the move again.`,
    );
  }
  if (!isFull || hasPrimaryKey) return parts.map(({ column, value }) => equalSql(column, value)).join(' AND ');
  // Equal rows are interchangeable, so any one of them will do. Both sides become text, because not every type has an
  // equality, and equal values need not be the same.
  const same = parts.map(({ column: { name, typeName }, value }) => {
    const wanted = value === null ? 'NULL' : `(${literal(value)}::${typeName})::text COLLATE "C"`;
    return `${quoteIdentifier(name)}::text COLLATE "C" IS NOT DISTINCT FROM ${wanted}`;
  });
  return `ctid = (SELECT ctid FROM ONLY ${sql} WHERE ${same.join(' AND ')} LIMIT 1)`;
}

/** The cast is for types such as composite ones, whose values PostgreSQL cannot read without it. */
function equalSql({ name, typeName }: ColumnShape, value: ColumnValue): string {
  return `${quoteIdentifier(name)} = ${literal(value)}::${typeName}`;
}

function literal(value: ColumnValue): string {
  return value === null || value === undefined ? 'NULL' : quoteLiteral(value);
}
