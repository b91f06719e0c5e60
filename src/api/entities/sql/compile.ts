import { quoteIdentifier } from '../../../postgres/sql/quote.ts';
import { kindOf } from '../column-kinds.ts';
import type { EntityModel } from '../entity-model.ts';
import type { ListArgs } from '../list-args.ts';
import { propertyOf } from '../metadata.ts';
import type { ListSelection, NodeSelection } from '../selection.ts';
import { columnSql, parameterOf } from './column.ts';
import { defaultFilterSql } from './default-filters.ts';
import { filterSql } from './filter.ts';
import { afterSql, orderSql, readingOrder } from './order.ts';
import { parentColumns, relationSql } from './relation.ts';
import { type CompiledStatement, StatementWriter } from './statement.ts';

/** The key of a row's cursor values in its JSON object. Properties cannot have this name. */
export const CURSOR = '@cursor';

/** Compiles the statement of a list with everything selected in it. */
export function compileList(list: ListSelection, args: readonly ListArgs[]): CompiledStatement {
  const compiler = new Compiler(args);
  return compiler.writer.finish(compiler.list(list));
}

/**
 * Compiles the statement of one row with everything selected in it.
 * @param key the properties that identify the row
 */
export function compileNode(node: NodeSelection, key: readonly string[], args: readonly ListArgs[]): CompiledStatement {
  const compiler = new Compiler(args);
  return compiler.writer.finish(compiler.single(node, key));
}

/** Compiles the statement of the rows with some primary keys, with everything selected in them. */
export function compileNodes(node: NodeSelection, args: readonly ListArgs[]): CompiledStatement {
  const compiler = new Compiler(args);
  return compiler.writer.finish(compiler.several(node));
}

/** Returns the lists of a selection in the order in which they are compiled. */
export function listsIn(node: NodeSelection | undefined): ListSelection[] {
  if (!node) return [];
  const ones = [...node.ones.values()].flatMap((one) => listsIn(one.node));
  return [...ones, ...[...node.lists.values()].flatMap((list) => [list, ...listsIn(list.node)])];
}

/** A row or list that relations lead from: the model, the alias, and the columns of the alias that are used. */
interface Scope {
  readonly model: EntityModel;
  readonly alias: string;
  readonly columns: Set<string>;
}

class Compiler {
  readonly writer = new StatementWriter();
  readonly #args: readonly ListArgs[];
  #lists = 0;

  constructor(args: readonly ListArgs[]) {
    this.#args = args;
  }

  /** JSON of a row that its key identifies; NULL if there is none. */
  single(node: NodeSelection, key: readonly string[]): string {
    const alias = this.writer.alias();
    const conditions = key.flatMap((name, index) => {
      const property = propertyOf(node.model.meta, name);
      const value = this.writer.bind(({ key: values }) => parameterOf(name, kindOf(property), values?.[index]));
      return `${columnSql(alias, property)} = ${value}`;
    });
    return this.#row(node, alias, conditions.join(' AND '));
  }

  /** JSON object of rows, by the text of their primary key; the keys of the input are those to read. */
  several(node: NodeSelection): string {
    const { meta, primaryKey, table } = node.model;
    const [property, ...others] = primaryKey;
    if (!property || others.length > 0) throw new Error(`${node.model.name} has a primary key of several columns`);
    const alias = this.writer.alias();
    const fields = this.#fields(node, { model: node.model, alias, columns: new Set() });
    const kind = kindOf(property);
    const keys = this.writer.bind(({ key }) => key?.map((value) => parameterOf(property.name, kind, value)));
    const column = columnSql(alias, property);
    const conditions = [`${column} = ANY (${keys})`, ...defaultFilterSql(this.writer, meta, alias)];
    const row = `(SELECT row_to_json(r) FROM (SELECT ${fields.join(', ')}) r)`;
    return `SELECT coalesce(json_object_agg(${column}::text, ${row}), '{}') FROM ${table} ${alias}${whereSql(conditions)}`;
  }

  /** JSON of the rows and the total of a list. */
  list({ relation, spec: { model }, node, wantsCursors, wantsTotal }: ListSelection, parent?: Scope): string {
    const index = this.#lists;
    this.#lists += 1;
    const args = this.#args[index];
    if (!args) throw new Error('A list has no arguments');
    for (const permission of args.order.permissions) this.writer.permissions.add(permission);
    const where = (alias: string) => {
      const link = parent && relation !== undefined ? [this.#link(parent, relation, alias)] : [];
      const { filter } = args;
      const chosen = filter ? [filterSql(this.writer, model, alias, filter, ({ lists }) => lists[index]?.filter)] : [];
      return [...link, ...defaultFilterSql(this.writer, model.meta, alias), ...chosen];
    };
    const parts: string[] = [];
    if (node) parts.push(`'rows', (${this.#rows(node, args, index, where, wantsCursors)})`);
    if (wantsTotal) {
      const alias = this.writer.alias();
      parts.push(`'total', (SELECT count(*) FROM ${model.table} ${alias}${whereSql(where(alias))})`);
    }
    return `json_build_object(${parts.join(', ')})`;
  }

  #rows(
    node: NodeSelection,
    args: ListArgs,
    index: number,
    where: (alias: string) => string[],
    wantsCursors: boolean,
  ): string {
    const { writer } = this;
    const alias = writer.alias();
    const scope: Scope = { model: node.model, alias, columns: new Set() };
    const fields = this.#fields(node, scope);
    if (wantsCursors) {
      const values = args.order.columns.map(({ column }) => `${alias}.${column}::text`);
      fields.push(`ARRAY[${values.join(', ')}] AS ${quoteIdentifier(CURSOR)}`);
      for (const { column } of args.order.columns) scope.columns.add(column);
    }
    const order = readingOrder(args.order, args.isBackward);
    const conditions = where(alias);
    for (const field of ['after', 'before'] as const) {
      const values = args[field];
      // A page after a cursor that is read from the end is a page before it in the reading order.
      const isReversed = (field === 'before') !== args.isBackward;
      if (!values) continue;
      const placeholders = new Map<number, string>();
      const bind = (at: number) => {
        const placeholder = placeholders.get(at) ?? writer.bind(({ lists }) => lists[index]?.[field]?.[at]);
        placeholders.set(at, placeholder);
        return placeholder;
      };
      conditions.push(afterSql(isReversed ? readingOrder({ columns: order }, true) : order, alias, values, bind));
    }
    // One row more than the page shows whether there is a further page. It is chosen before related rows are read.
    const page = `SELECT ${[...scope.columns].map((column) => `${alias}.${column}`).join(', ')} FROM ${node.model.table} ${alias}${whereSql(conditions)} ORDER BY ${orderSql(order, alias)} LIMIT ${args.limit + 1}`;
    return `SELECT coalesce(json_agg(r), '[]') FROM (SELECT ${fields.join(', ')} FROM (${page}) ${alias}) r`;
  }

  #row(node: NodeSelection, alias: string, condition: string): string {
    const scope: Scope = { model: node.model, alias, columns: new Set() };
    const fields = this.#fields(node, scope);
    const conditions = [condition, ...defaultFilterSql(this.writer, node.model.meta, alias)];
    return `SELECT row_to_json(r) FROM (SELECT ${fields.join(', ')} FROM ${node.model.table} ${alias}${whereSql(conditions)}) r`;
  }

  /** The select list of a row. Its names are the keys of the JSON object. */
  #fields(node: NodeSelection, scope: Scope): string[] {
    const { meta } = node.model;
    const columns = [...node.columns].map((name) => {
      const property = propertyOf(meta, name);
      for (const column of property.fieldNames) scope.columns.add(quoteIdentifier(column));
      return `${kindOf(property).json(columnSql(scope.alias, property))} AS ${quoteIdentifier(name)}`;
    });
    const ones = [...node.ones].map(([key, { relation, node: related }]) => {
      const alias = this.writer.alias();
      const row = this.#row(related, alias, this.#link(scope, relation, alias));
      return `(${row}) AS ${quoteIdentifier(key)}`;
    });
    const lists = [...node.lists].map(([key, list]) => `${this.list(list, scope)} AS ${quoteIdentifier(key)}`);
    return [...columns, ...ones, ...lists];
  }

  #link({ model, alias, columns }: Scope, relation: string, related: string): string {
    const property = propertyOf(model.meta, relation);
    for (const column of parentColumns(model.meta, property)) columns.add(quoteIdentifier(column));
    return relationSql(model.meta, property, alias, related);
  }
}

function whereSql(conditions: readonly string[]): string {
  return conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
}
