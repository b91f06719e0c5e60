import { Reference, wrap } from '@mikro-orm/core';
import type { GraphQLResolveInfo } from 'graphql';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import type { EntityType } from './entity-type.ts';
import { leafType } from './inputs.ts';
import type { RootBuilder, RootFieldOptions } from './list-fields.ts';
import { propertyOf } from './metadata.ts';
import { notFound, type Row, readRow } from './read.ts';

/**
 * A field that returns one row, or null where there is none.
 * @param options `by`: the properties that identify a row, which become arguments; by default the primary key
 */
export function oneField<T extends object>(
  t: RootBuilder,
  type: EntityType<T>,
  { by, ...options }: RootFieldOptions & { readonly by?: readonly (keyof T & string)[] },
) {
  const { model } = type;
  const names = by ?? model.primaryKey.map(({ name }) => name);
  return t.field({
    ...options,
    type: type.ref,
    nullable: true,
    args: builder.args((arg) =>
      Object.fromEntries(
        names.map((name) => [name, arg.field({ type: leafType(model, propertyOf(model.meta, name)), required: true })]),
      ),
    ),
    resolve: (_root, args, context, info) => readRow(context, info, model, args),
  });
}

/**
 * Reads what a field has selected of one row, in one statement. For resolvers of a module's own, after they have written.
 * @param key the primary key: its value, or an object with its properties, such as the entity
 * @throws {AppError} NOT_FOUND if there is no such row
 */
export async function readEntity<T extends object>(
  { model }: EntityType<T>,
  context: Context,
  info: GraphQLResolveInfo,
  key: T | string | number,
): Promise<Row> {
  const names = model.primaryKey.map(({ name }) => name);
  const values = names.map((name) => (typeof key === 'object' ? primitive(Reflect.get(key, name)) : key));
  const found = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  const row = await readRow(context, info, model, found);
  if (!row) throw notFound(model, found);
  return row;
}

/** The value of a part of a primary key, which may be a relation. */
function primitive(value: unknown): unknown {
  const entity: unknown = Reference.isReference(value) ? value.unwrap() : value;
  return typeof entity === 'object' && entity !== null ? wrap(entity, true).getPrimaryKey() : entity;
}
