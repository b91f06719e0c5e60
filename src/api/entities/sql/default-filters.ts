import type { EntityMetadata, EntityProperty } from '@mikro-orm/core';
import { type ColumnKind, kindOf } from '../column-kinds.ts';
import { propertyOf } from '../metadata.ts';
import { columnSql } from './column.ts';
import type { StatementWriter } from './statement.ts';

interface Condition {
  readonly property: EntityProperty;
  readonly kind: ColumnKind;
  /** An operator of SQL. */
  readonly operator: string;
  readonly value: unknown;
}

const operators: Readonly<Record<string, string>> = {
  $eq: '=',
  $ne: '<>',
  $gt: '>',
  $gte: '>=',
  $lt: '<',
  $lte: '<=',
};

/**
 * Returns the conditions of the filters that MikroORM applies to an entity by default, such as one that hides deleted rows.
 * @throws {Error} for a filter that is more than comparisons of columns: rows that it hides would be visible
 */
export function defaultConditions(meta: EntityMetadata): readonly Condition[] {
  const active = Object.values(meta.filters).filter((filter) => filter.default !== false);
  return active.flatMap(({ name, cond }) => {
    const unsupported = () =>
      new Error(
        `The default filter ${name} of ${meta.className} must compare columns with values, to be used in the API`,
      );
    if (typeof cond !== 'object') throw unsupported();
    return Object.entries(cond).flatMap(([key, value]: [string, unknown]) => {
      if (key.startsWith('$')) throw unsupported();
      const property = propertyOf(meta, key);
      const isPlain = value === null || typeof value !== 'object' || value instanceof Date;
      const comparisons: [string, unknown][] = isPlain ? [['$eq', value]] : Object.entries(value);
      return comparisons.map(([symbol, operand]) => {
        const operator = operators[symbol];
        if (operator === undefined || property.targetMeta) throw unsupported();
        return { property, kind: kindOf(property), operator, value: operand };
      });
    });
  });
}

const known = new WeakMap<EntityMetadata, readonly Condition[]>();

/** Returns the conditions in SQL, for a table alias. */
export function defaultFilterSql(writer: StatementWriter, meta: EntityMetadata, alias: string): string[] {
  const conditions = known.get(meta) ?? defaultConditions(meta);
  known.set(meta, conditions);
  return conditions.map(({ property, kind, operator, value }) => {
    const column = columnSql(alias, property);
    if (value === null) return `${column} IS ${operator === '=' ? '' : 'NOT '}NULL`;
    return `${column} ${operator} ${writer.bind(() => kind.parameter(value))}`;
  });
}
