import type { EntityProperty } from '@mikro-orm/core';
import { builder } from '../builder.ts';
import { type ColumnKind, isOperator, kindOf, type Operator, type ScalarName } from './column-kinds.ts';
import { type EntityModel, targetModel } from './entity-model.ts';
import type { FilterValue } from './filter-limits.ts';

/** The types that the inputs and outputs of columns have: scalars, and enums of the same values as the column. */
export type LeafType = ScalarName | ReturnType<typeof enumOf>;

/** The GraphQL enum of directions, with the place of null. */
export const SortOrder = builder.enumType('SortOrder', {
  description: 'Without NULLS, empty values come last in ascending order and first in descending order.',
  values: ['ASC', 'DESC', 'ASC_NULLS_FIRST', 'DESC_NULLS_LAST'] as const,
});

const enums = new Map<string, ReturnType<typeof enumOf>>();
const filters = new Map<string, ReturnType<typeof filterOf>>();

/** Returns the type of a column's values, or of the elements of an array. */
export function leafType(model: EntityModel, property: EntityProperty): LeafType {
  const { items } = property;
  if (!property.enum || !items) return kindOf(property).scalar;
  const name = `${model.name}${property.name.charAt(0).toUpperCase()}${property.name.slice(1)}`;
  const found = enums.get(name) ?? enumOf(name, items);
  enums.set(name, found);
  return found;
}

function enumOf(name: string, items: readonly (string | number)[]) {
  const values = items.map((item) => {
    const text = String(item);
    return [
      text
        .replace(/\W/g, '_')
        .replace(/^(?=\d)/, '_')
        .toUpperCase(),
      { value: text },
    ] as const;
  });
  return builder.enumType(name, { values: Object.fromEntries(values) });
}

/** The arguments `filter` and `orderBy` of lists of an entity; those that have no field are left out. */
export interface ListInputs {
  readonly filter: ReturnType<typeof entityFilter> | undefined;
  readonly orderBy: ReturnType<typeof entityOrder> | undefined;
}

/** Creates the inputs of an entity's lists. */
export function listInputs(model: EntityModel): ListInputs {
  const options = [...model.fields.values()];
  return {
    filter: options.some(({ filter }) => filter) ? entityFilter(model) : undefined,
    orderBy: options.some(({ order }) => order) ? entityOrder(model) : undefined,
  };
}

const entityFilters = new Map<EntityModel, ReturnType<typeof entityFilter>>();

function entityFilter(model: EntityModel) {
  const ref = builder.inputRef<FilterValue>(`${model.name}Filter`);
  entityFilters.set(model, ref);
  const fields = [...model.fields].filter(([, { filter }]) => filter).map(([name]) => name);
  const reserved = fields.find((name) => isOperator(name) || ['and', 'or', 'not'].includes(name));
  if (reserved !== undefined)
    throw new Error(`${model.name}.${reserved} cannot be in a filter, where the name has a meaning`);
  ref.implement({
    description: 'All conditions must hold.',
    fields: (t) => ({
      and: t.field({ type: [ref] }),
      or: t.field({ type: [ref] }),
      not: t.field({ type: ref }),
      ...Object.fromEntries(fields.map((name) => [name, t.field({ type: conditionsOn(model, name) })])),
    }),
  });
  return ref;
}

/** The input for conditions on a column, or on the row that a relation leads to. */
function conditionsOn(model: EntityModel, name: string) {
  const { property, kind } = model.field(name);
  if (property.targetMeta) {
    const target = targetModel(property);
    const ofTarget = entityFilters.get(target);
    if (!ofTarget)
      throw new Error(`${model.name}.${name} cannot be in the filter: ${target.name} has no field with a filter`);
    return ofTarget;
  }
  const type = leafType(model, property);
  const filter = typeof type === 'string' ? `${kind.filter}Filter` : `${type.name}Filter`;
  const found = filters.get(filter) ?? filterOf(filter, kind, type);
  filters.set(filter, found);
  return found;
}

const descriptions: Readonly<Partial<Record<Operator, string>>> = {
  in: 'One of these.',
  notIn: 'None of these.',
  isNull: 'Whether the value is missing.',
  contains: 'Ignores case. % and _ mean themselves.',
  startsWith: 'Ignores case. % and _ mean themselves.',
  endsWith: 'Ignores case. % and _ mean themselves.',
};

function filterOf(name: string, kind: ColumnKind, type: LeafType) {
  return builder.inputType(name, {
    fields: (t) =>
      Object.fromEntries(
        kind.operators.map((operator) => {
          const isText = operator !== 'contains' || kind.filter === 'String';
          const description = (isText && descriptions[operator]) || undefined;
          const options = description === undefined ? {} : { description };
          if (operator === 'isNull') return [operator, t.boolean(options)];
          const isList = operator === 'in' || operator === 'notIn' || kind.isArray;
          return [operator, isList ? t.field({ type: [type], ...options }) : t.field({ type, ...options })];
        }),
      ),
  });
}

function entityOrder(model: EntityModel) {
  const fields = [...model.fields].filter(([, { order }]) => order);
  return builder.inputType(`${model.name}OrderBy`, {
    isOneOf: true,
    description: 'One column. The list of them is the order, the most important first.',
    fields: (t) => Object.fromEntries(fields.map(([name]) => [name, t.field({ type: SortOrder })])),
  });
}
