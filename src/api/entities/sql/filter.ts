import { escapeLike } from '../../../orm/ilike.ts';
import { type ColumnKind, isOperator, type Operator } from '../column-kinds.ts';
import { type EntityModel, targetModel } from '../entity-model.ts';
import { type FilterValue, objectIn } from '../filter-limits.ts';
import { columnSql, parameterOf } from './column.ts';
import { defaultFilterSql } from './default-filters.ts';
import { relationSql } from './relation.ts';
import type { StatementInput, StatementWriter } from './statement.ts';

/** Finds a filter, or a part of one, in the input of a statement. */
type Find = (input: StatementInput) => unknown;

/**
 * Returns the condition of a filter. Only its shape becomes part of the text; its values are parameters.
 * @param alias the alias of the model's table
 */
export function filterSql(
  writer: StatementWriter,
  model: EntityModel,
  alias: string,
  filter: FilterValue,
  find: Find,
): string {
  const part = (value: unknown, inner: Find) => filterSql(writer, model, alias, objectIn('filter', value), inner);
  const conditions = Object.entries(filter).map(([name, value]) => {
    const found: Find = (input) => partOf(find(input), name);
    if (name === 'not') return `NOT (${part(value, found)})`;
    if (name === 'and' || name === 'or') {
      const parts = Array.isArray(value) ? value : [];
      const texts = parts.map((each, index) => `(${part(each, (input) => partOf(found(input), index))})`);
      return texts.length > 0 ? `(${texts.join(` ${name.toUpperCase()} `)})` : name === 'and' ? 'TRUE' : 'FALSE';
    }
    return fieldSql(writer, model, alias, name, objectIn(name, value), found);
  });
  return conditions.length > 0 ? conditions.join(' AND ') : 'TRUE';
}

function fieldSql(
  writer: StatementWriter,
  model: EntityModel,
  alias: string,
  name: string,
  conditions: FilterValue,
  find: Find,
): string {
  const { property, options, kind } = model.field(name);
  if (options.permission !== undefined) writer.permissions.add(options.permission);
  if (property.targetMeta) {
    const target = targetModel(property);
    const inner = writer.alias();
    const texts = [
      relationSql(model.meta, property, alias, inner),
      ...defaultFilterSql(writer, target.meta, inner),
      filterSql(writer, target, inner, conditions, find),
    ];
    return `EXISTS (SELECT FROM ${target.table} ${inner} WHERE ${texts.join(' AND ')})`;
  }
  const column = columnSql(alias, property);
  const texts = Object.entries(conditions).map(([operator, value]) => {
    if (!isOperator(operator)) throw new Error(`${operator} is not an operator`);
    if (operator === 'isNull') return `${column} IS ${value === true ? '' : 'NOT '}NULL`;
    const read = (input: StatementInput) => {
      const value = partOf(find(input), operator);
      const isList = operator === 'in' || operator === 'notIn';
      return isList && Array.isArray(value)
        ? value.map((each) => parameterOf(name, kind, each))
        : parameterOf(name, kind, value);
    };
    return operators[operator](column, (convert) => writer.bind((input) => convert(read(input))), kind);
  });
  return texts.length > 0 ? texts.join(' AND ') : 'TRUE';
}

type Bind = (convert: (value: unknown) => unknown) => string;
type Write = (column: string, bind: Bind, kind: ColumnKind) => string;

const asIs = (value: unknown) => value;
const compare =
  (operator: string): Write =>
  (column, bind) =>
    `${column} ${operator} ${bind(asIs)}`;
const like =
  (before: string, after: string): Write =>
  (column, bind) =>
    `${column} ILIKE ${bind((value) => `${before}${escapeLike(String(value))}${after}`)}`;

const operators: Readonly<Record<Exclude<Operator, 'isNull'>, Write>> = {
  eq: compare('='),
  ne: compare('<>'),
  lt: compare('<'),
  lte: compare('<='),
  gt: compare('>'),
  gte: compare('>='),
  overlaps: compare('&&'),
  in: (column, bind) => `${column} = ANY (${bind(asIs)})`,
  notIn: (column, bind) => `${column} <> ALL (${bind(asIs)})`,
  contains: (column, bind, kind) =>
    kind.filter === 'String' ? like('%', '%')(column, bind, kind) : compare('@>')(column, bind, kind),
  startsWith: like('', '%'),
  endsWith: like('%', ''),
};

function partOf(value: unknown, name: string | number): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
