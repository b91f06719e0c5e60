import { type EntityClass, ReferenceKind } from '@mikro-orm/core';
import type { GraphQLResolveInfo } from 'graphql';
import { MAX_PAGE } from '../../orm/pagination.ts';
import type { builder } from '../builder.ts';
import { toConnection, toItems } from './connection.ts';
import { type EntityModel, type FieldOptions, targetModel } from './entity-model.ts';
import { EntityType, type EntityTypeOptions, typeOf } from './entity-type.ts';
import { costOfList } from './filter-limits.ts';
import { leafType } from './inputs.ts';
import { connectionArgs, itemArgs, listSpec } from './list-fields.ts';
import type { ListData, Row } from './read.ts';
import { type EntityField, relationKey } from './selection.ts';
import { defaultConditions } from './sql/default-filters.ts';

/**
 * Creates the GraphQL type of an entity. Only the chosen fields are visible. Fields that cannot be shown fail when the
 * GraphQL schema is built.
 * @throws {Error} if the entity has a type already
 */
export function entityType<T extends object>(entity: EntityClass<T>, options: EntityTypeOptions<T>): EntityType<T> {
  const type = new EntityType(entity, options);
  const { model, description } = type;
  type.ref.implement({
    ...(description !== undefined && { description }),
    fields: (t) => {
      // An unsupported filter is found here, and not with the first request.
      defaultConditions(model.meta);
      return Object.fromEntries([...model.fields].map(([name, field]) => [name, fieldOf(t, model, name, field)]));
    },
  });
  return type;
}

/**
 * Declares the columns that a field of a module's own reads: `extensions: needs(ProductType, 'price', 'stock')`. Its resolver
 * gets a row with these properties, in the form in which JSON has them.
 */
export function needs<T extends object>(_type: EntityType<T>, ...properties: readonly (keyof T & string)[]) {
  return columnExtension(properties);
}

function columnExtension(properties: readonly string[]): { readonly entityField: EntityField } {
  return { entityField: { kind: 'columns', properties } };
}

type FieldBuilder = PothosSchemaTypes.ObjectFieldBuilder<(typeof builder)['$inferSchemaTypes'], Row>;

function fieldOf(t: FieldBuilder, model: EntityModel, name: string, options: FieldOptions) {
  const { kind } = model.field(name).property;
  const { description, permission } = options;
  const shared = {
    ...(description !== undefined && { description }),
    ...(permission !== undefined && { authScopes: { permission } }),
  };
  switch (kind) {
    case ReferenceKind.SCALAR:
      return columnField(t, model, name, options, shared);
    case ReferenceKind.MANY_TO_ONE:
    case ReferenceKind.ONE_TO_ONE:
      return relatedField(t, model, name, shared);
    case ReferenceKind.ONE_TO_MANY:
    case ReferenceKind.MANY_TO_MANY:
      return manyField(t, model, name, options, shared);
    default:
      throw new Error(`${model.name}.${name} is neither a column nor a relation`);
  }
}

type Shared = { readonly description?: string; readonly authScopes?: { readonly permission: string } };

function columnField(t: FieldBuilder, model: EntityModel, name: string, options: FieldOptions, shared: Shared) {
  const { property, kind } = model.field(name);
  const { show, maxItems = MAX_PAGE } = options;
  const nullable = property.nullable ?? false;
  const type = leafType(model, property);
  const rest = { ...shared, extensions: columnExtension([name]) };
  // The statement formats each value as its scalar needs it, so the types agree.
  const resolve = (row: Row) => row[name] as never;
  if (kind.isArray)
    return t.field({ ...rest, type: [type], nullable: { list: nullable, items: true }, maxItems, resolve });
  if (!show) return t.field({ ...rest, type, nullable, resolve });
  // A column that is not nullable has no null.
  return t.string({
    ...rest,
    nullable,
    resolve: (row) => (row[name] === null ? (null as never) : show(String(row[name]))),
  });
}

function relatedField(t: FieldBuilder, model: EntityModel, name: string, shared: Shared) {
  const { property } = model.field(name);
  const type = typeOf(targetModel(property));
  const entityField: EntityField = { kind: 'one', relation: name, target: type.model };
  return t.field({
    ...shared,
    type: type.ref,
    // A default filter can hide the row.
    nullable: Boolean(property.nullable || property.mappedBy || defaultConditions(type.model.meta).length > 0),
    extensions: { entityField },
    // The statement has read it as a row or null.
    resolve: (row, _args, _context, info) => related(row, info) as never,
  });
}

function manyField(t: FieldBuilder, model: EntityModel, name: string, options: FieldOptions, shared: Shared) {
  const type = typeOf(targetModel(model.field(name).property));
  const spec = listSpec(type, options);
  const entityField: EntityField = { kind: 'list', relation: name, spec };
  const rest = { ...shared, extensions: { entityField }, cost: costOfList };
  // The statement has read it so.
  const dataOf = (row: Row, info: GraphQLResolveInfo) => related(row, info) as ListData;
  const { maxItems } = options;
  if (maxItems === undefined) {
    return t.field({
      ...rest,
      type: type.connection,
      args: connectionArgs(type),
      resolve: (row, args, _context, info) => toConnection(dataOf(row, info), spec, args),
    });
  }
  return t.field({
    ...rest,
    type: [type.ref],
    maxItems,
    args: itemArgs(type, maxItems),
    resolve: (row, args, _context, info) => toItems(dataOf(row, info), spec, args),
  });
}

/** What the statement has read for a relation. */
function related(row: Row, { fieldNodes: [node] }: GraphQLResolveInfo): unknown {
  return node && row[relationKey(node)];
}
