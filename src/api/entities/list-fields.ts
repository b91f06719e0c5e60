import type { InputFieldMap, InputOrArgRef } from '@pothos/core';
import { builder } from '../builder.ts';
import { toConnection } from './connection.ts';
import type { DefaultOrder, FieldOptions, SortOrder } from './entity-model.ts';
import type { EntityType } from './entity-type.ts';
import { costOfList, type FilterValue } from './filter-limits.ts';
import type { ListSpec } from './list-args.ts';
import { readList } from './read.ts';
import { defaultOrder } from './sql/order.ts';

type Types = (typeof builder)['$inferSchemaTypes'];

/** What builds the fields of Query and Mutation. */
export type RootBuilder = PothosSchemaTypes.RootFieldBuilder<Types, object, 'Query' | 'Mutation'>;

/** The options that every field of Query and Mutation has: who may use it, and what it is. */
export interface RootFieldOptions {
  readonly authScopes: { readonly [K in keyof Types['AuthScopes']]?: Types['AuthScopes'][K] };
  readonly description?: string;
}

/** What is fixed about a list of an entity. */
export function listSpec(
  { model }: EntityType,
  { orderBy = {}, maxItems }: Pick<FieldOptions, 'orderBy' | 'maxItems'>,
): ListSpec {
  return { model, order: defaultOrder(model, orderBy), maxItems };
}

/** The arguments of a connection of an entity. */
export function connectionArgs(type: EntityType) {
  return builder.args((t) => ({ ...t.connectionArgs(), ...selectionArgs(t, type) }));
}

/** The arguments of a plain list of an entity. */
export function itemArgs(type: EntityType, maxItems: number) {
  return builder.args((t) => ({
    first: t.int({ defaultValue: maxItems, description: `From 1 to ${maxItems}.` }),
    ...selectionArgs(t, type),
  }));
}

interface SelectionArgs extends InputFieldMap {
  readonly filter: InputOrArgRef<Types, FilterValue | null | undefined, 'Arg'>;
  readonly orderBy: InputOrArgRef<Types, readonly Readonly<Record<string, SortOrder>>[] | null | undefined, 'Arg'>;
}

function selectionArgs(
  t: PothosSchemaTypes.InputFieldBuilder<Types, 'Arg'>,
  { inputs: { filter, orderBy } }: EntityType,
): SelectionArgs {
  const args = {
    ...(filter && { filter: t.field({ type: filter }) }),
    ...(orderBy && { orderBy: t.field({ type: [orderBy] }) }),
  };
  // An entity may have no field to filter or to order by. Then the argument is undefined, as if it was left out.
  return args as unknown as SelectionArgs;
}

/** A connection of all rows of an entity. */
export function listField<T extends object>(
  t: RootBuilder,
  type: EntityType<T>,
  { orderBy = {}, ...options }: RootFieldOptions & { readonly orderBy?: DefaultOrder },
) {
  const spec = listSpec(type, { orderBy });
  return t.field({
    ...options,
    type: type.connection,
    cost: costOfList,
    args: connectionArgs(type),
    resolve: async (_root, args, context, info) => toConnection(await readList(context, info, spec, args), spec, args),
  });
}
