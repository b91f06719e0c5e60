import type pg from 'pg';
import { AppError, messageOf } from '../../lib/errors.ts';
import { isTransient, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { quoteQualified } from '../../postgres/sql/quote.ts';
import { changeSql, insertSql, renumberSql, rowSql, type TargetTable, truncateSql } from './change-sql.ts';
import type { Relation, RowChange } from './changes.ts';
import { type Lsn, parseLsn } from './lsn.ts';
import { lockPositionSql, storePositionSql } from './position-table.ts';
import { checkRelation, type TableShapes } from './table-shapes.ts';

/** What applying changes at a target needs. */
export interface ChangeWriterOptions {
  /** A session that `applyAsReplica` has prepared. */
  readonly client: pg.Client;
  readonly schema: string;
  readonly source: TableShapes;
  readonly target: TableShapes;
  /** The stored position. */
  readonly position: Lsn;
}

/** A statement and how many rows it must change. */
interface Statement {
  text: string;
  rows: number | undefined;
  readonly table: string;
  /** The table and columns of an insert to which further rows can be added. */
  readonly insertInto?: number;
}

/** How much SQL is sent in one message, in characters. One message costs one round trip, however much is in it. */
const MESSAGE_CHARS = 512 * 1024;
/** How many rows one insert has at most. */
const INSERT_ROWS = 500;

/** Another session has applied changes meanwhile: that of a process that was considered dead. Starting again solves it. */
export class PositionMovedError extends Error {
  override readonly name = 'PositionMovedError';
}

/**
 * Applies changes at the target. It opens a transaction for the first change, and `commit` ends it together with the new
 * position. The changes are SQL with literals, because PostgreSQL runs many such statements in one round trip.
 */
export class ChangeWriter {
  readonly #options: ChangeWriterOptions;
  readonly #tables = new Map<number, TargetTable>();
  #statements: Statement[] = [];
  #chars = 0;
  #position: Lsn;
  #isOpen = false;
  #uncommitted = 0;

  constructor(options: ChangeWriterOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** The number of changes that are not committed yet. */
  get uncommitted(): number {
    return this.#uncommitted;
  }

  /** Stores the columns of a table. @throws {AppError} CONFLICT if the table was altered */
  describe(relation: Relation): void {
    const { schema, source, target } = this.#options;
    this.#tables.set(relation.id, {
      relation,
      columns: checkRelation(relation, source, target),
      sql: quoteQualified(schema, relation.name),
    });
  }

  /** Adds a change, and sends what has been added if it is much. */
  async add(change: RowChange): Promise<void> {
    this.#uncommitted += 1;
    if (change.kind === 'truncate') this.#addTruncate(change.relations);
    else if (change.kind === 'insert') this.#addInsert(change);
    else {
      const table = this.#table(change.relation);
      const renumber = change.kind === 'update' ? renumberSql(table, change) : undefined;
      if (renumber !== undefined) this.#push({ text: renumber, rows: undefined, table: table.relation.name });
      this.#push({ text: changeSql(table, change), rows: 1, table: table.relation.name });
    }
    if (this.#chars >= MESSAGE_CHARS) await this.#send();
  }

  /**
   * Commits the changes with the position after them.
   * @throws {AppError} CONFLICT if a change did not change exactly one row
   */
  async commit(position: Lsn): Promise<void> {
    if (this.#uncommitted === 0) return;
    await this.#send();
    const { client, schema } = this.#options;
    await client.query(`${storePositionSql(schema, position)}; COMMIT`);
    this.#position = position;
    this.#isOpen = false;
    this.#uncommitted = 0;
  }

  #addInsert({ relation, values }: RowChange & { readonly kind: 'insert' }): void {
    const table = this.#table(relation);
    const last = this.#statements.at(-1);
    if (last?.insertInto === relation && last.rows !== undefined && last.rows < INSERT_ROWS && values.length > 0) {
      const row = `, ${rowSql(values)}`;
      last.text += row;
      last.rows += 1;
      this.#chars += row.length;
      return;
    }
    const text = insertSql(table) + (values.length > 0 ? rowSql(values) : '');
    this.#push({ text, rows: 1, table: table.relation.name, insertInto: relation });
  }

  #addTruncate(relations: readonly number[]): void {
    const tables = relations.map((relation) => this.#table(relation));
    const names = tables.map(({ relation }) => relation.name).join(', ');
    this.#push({ text: truncateSql(tables), rows: undefined, table: names });
  }

  #push(statement: Statement): void {
    this.#statements.push(statement);
    this.#chars += statement.text.length;
  }

  async #send(): Promise<void> {
    await this.#open();
    const statements = this.#statements;
    this.#statements = [];
    this.#chars = 0;
    if (statements.length === 0) return;
    const results = await this.#run(statements);
    for (const [index, { rows, table }] of statements.entries()) {
      const count = results[index]?.rowCount;
      if (rows !== undefined && count !== rows) throw lost(table, rows, count ?? 0);
    }
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    const { client, schema } = this.#options;
    const [, locked] = asArray(await client.query(`BEGIN; ${lockPositionSql(schema)}`));
    this.#isOpen = true;
    const found: unknown = locked?.rows[0]?.position;
    if (typeof found !== 'string' || parseLsn(found) !== this.#position) {
      throw new PositionMovedError('Another session has applied changes at the target of this move');
    }
  }

  async #run(statements: readonly Statement[]): Promise<readonly pg.QueryResult[]> {
    try {
      return asArray(await this.#options.client.query(statements.map(({ text }) => text).join(';\n')));
    } catch (cause) {
      if (isTransient(cause) || sqlStateOf(cause) === undefined) throw cause;
      const tables = [...new Set(statements.map(({ table }) => table))].slice(0, 5).join(', ');
      throw new AppError(
        'CONFLICT',
        `The target refused changes that were made while the tenant was moved (tables ${tables}): ${messageOf(cause)}. The tenant stays where it is. Start the move again.`,
        { cause },
      );
    }
  }

  #table(id: number): TargetTable {
    const table = this.#tables.get(id);
    if (!table) throw new RangeError(`PostgreSQL sent a change of a table that it has not described: ${id}`);
    return table;
  }
}

/** node-postgres returns an array for several statements, which its types do not express. */
function asArray(result: unknown): readonly pg.QueryResult[] {
  return Array.isArray(result) ? result : [result as pg.QueryResult];
}

function lost(table: string, expected: number, found: number): AppError {
  return new AppError(
    'CONFLICT',
    `A change of the table ${table} matched ${found} rows at the target of the move instead of ${expected}, so both places differ. The tenant stays where it is. Start the move again.`,
  );
}
