import { createHash } from 'node:crypto';
import {
  type FieldNode,
  GraphQLObjectType,
  type GraphQLResolveInfo,
  getArgumentValues,
  getNamedType,
  getNullableType,
  isListType,
  print,
} from 'graphql';
import { collectSubfields } from 'graphql/execution/collectFields.js';
import { LRUCache } from 'lru-cache';
import type { EntityModel } from './entity-model.ts';
import type { ListSpec, RawListArgs } from './list-args.ts';

/** How a GraphQL field is read: from columns, from a related row, or from related rows. Stored in the field's extensions. */
export type EntityField =
  | { readonly kind: 'columns'; readonly properties: readonly string[] }
  | { readonly kind: 'one'; readonly relation: string; readonly target: EntityModel }
  | { readonly kind: 'list'; readonly relation: string; readonly spec: ListSpec };

/** The part of an operation that is read from one row. */
export interface NodeSelection {
  readonly model: EntityModel;
  /** Properties whose columns are read. */
  readonly columns: ReadonlySet<string>;
  /** Related rows, by {@link relationKey}. */
  readonly ones: ReadonlyMap<string, { readonly relation: string; readonly node: NodeSelection }>;
  /** Related lists, by {@link relationKey}. */
  readonly lists: ReadonlyMap<string, ListSelection>;
  /** The number of fields, nested ones included. */
  readonly size: number;
}

/** The part of an operation that is read from a list of rows. */
export interface ListSelection {
  /** The relation that it follows; undefined at the root. */
  readonly relation: string | undefined;
  readonly spec: ListSpec;
  /** Undefined if no row is needed. */
  readonly node: NodeSelection | undefined;
  readonly wantsCursors: boolean;
  readonly wantsTotal: boolean;
  /** The number of fields, nested ones included. */
  readonly size: number;
  /** Returns the arguments of the field. */
  args(variables: GraphQLResolveInfo['variableValues']): RawListArgs;
}

const keys = new WeakMap<FieldNode, string>();

/** Returns the key of a relation in a row's JSON object: equal for equal arguments, and not the name of any property. */
export function relationKey(node: FieldNode): string {
  const key = keys.get(node) ?? newKey(node);
  keys.set(node, key);
  return key;
}

function newKey({ name: { value: name }, arguments: args = [] }: FieldNode): string {
  if (args.length === 0 && name.length < 60) return `@${name}`;
  // PostgreSQL truncates names of more than 63 bytes.
  return `@${createHash('sha256')
    .update(`${name} ${args.map(print).join()}`)
    .digest('base64url')}`;
}

type Fields = ReadonlyMap<string, readonly FieldNode[]>;
type Context = Pick<GraphQLResolveInfo, 'schema' | 'fragments' | 'variableValues'>;

/** The maximum number of fields of all selections that are kept. One takes some 200 bytes. */
const MAX_FIELDS = 100_000;

const known = new LRUCache<string, NodeSelection | ListSelection>({
  maxSize: MAX_FIELDS,
  sizeCalculation: ({ size }) => size,
});
const operations = new WeakMap<object, number>();
let operationCount = 0;

/**
 * Finds what a field's selection needs, once for each document that the server keeps.
 * @param select called for a selection that is not known yet
 */
export function selectionOf<T extends NodeSelection | ListSelection>(info: GraphQLResolveInfo, select: () => T): T {
  let operation = operations.get(info.operation);
  if (operation === undefined) {
    operation = operationCount++;
    operations.set(info.operation, operation);
  }
  const key = `${operation} ${keyOf(info)}`;
  // A field is always selected in the same way.
  const found = known.get(key) as T | undefined;
  if (found) return found;
  const selection = select();
  known.set(key, selection);
  return selection;
}

/** The field's place in the response, and the variables that `@skip` and `@include` can depend on. */
function keyOf({ path, variableValues }: GraphQLResolveInfo): string {
  let key = '';
  for (let at: GraphQLResolveInfo['path'] | undefined = path; at; at = at.prev) {
    if (typeof at.key === 'string') key += `${at.key}.`;
  }
  for (const name in variableValues)
    if (typeof variableValues[name] === 'boolean') key += ` ${name}=${variableValues[name]}`;
  return key;
}

/** The selection of a field that returns one row. */
export function selectNode(info: GraphQLResolveInfo, model: EntityModel): NodeSelection {
  return nodeOf(info, model, subfields(info, objectType(info.schema.getType(model.name)), info.fieldNodes));
}

/** The selection of a field that returns a list or a connection. */
export function selectList(info: GraphQLResolveInfo, spec: ListSpec): ListSelection {
  return listOf(info, info.parentType, info.fieldNodes, { relation: undefined, spec });
}

function nodeOf(context: Context, model: EntityModel, fields: Fields): NodeSelection {
  const type = objectType(context.schema.getType(model.name));
  const columns = new Set<string>();
  const ones = new Map<string, { relation: string; node: NodeSelection }>();
  const lists = new Map<string, ListSelection>();
  // The same row can be selected several times, such as in `nodes` and in `edges`, with equal aliases of different fields.
  for (const [key, nodes] of Map.groupBy([...fields.values()].flat(), relationKey)) {
    const field = entityFieldOf(type, nodes);
    if (field?.kind === 'columns') for (const property of field.properties) columns.add(property);
    if (field?.kind === 'one') {
      const inner = subfields(context, objectType(context.schema.getType(field.target.name)), nodes);
      ones.set(key, { relation: field.relation, node: nodeOf(context, field.target, inner) });
    }
    if (field?.kind === 'list') lists.set(key, listOf(context, type, nodes, field));
  }
  const inner = [...[...ones.values()].map(({ node }) => node), ...lists.values()];
  const size = inner.reduce((sum, each) => sum + each.size, 1 + columns.size);
  return { model, columns, ones, lists, size };
}

function listOf(
  context: Context,
  parent: GraphQLObjectType,
  nodes: readonly FieldNode[],
  { relation, spec }: { readonly relation: string | undefined; readonly spec: ListSpec },
): ListSelection {
  const [first] = nodes;
  const definition = first && parent.getFields()[first.name.value];
  if (!definition) throw new Error(`${parent.name} has no such list`);
  const args = (variables: Context['variableValues']) => getArgumentValues(definition, first, variables);
  const type = objectType(getNamedType(definition.type));
  const fields = subfields(context, type, nodes);
  if (isListType(getNullableType(definition.type))) {
    const node = nodeOf(context, spec.model, fields);
    return { relation, spec, args, node, wantsCursors: false, wantsTotal: false, size: 1 + node.size };
  }
  const named = (name: string, within: Fields) =>
    [...within.values()].filter(([node]) => node?.name.value === name).flat();
  const edges = subfields(context, objectType(type.getFields().edges?.type), named('edges', fields));
  const rows = [...named('nodes', fields), ...named('node', edges)];
  const info = subfields(context, objectType(type.getFields().pageInfo?.type), named('pageInfo', fields));
  const isPage = info.size > 0 || named('edges', fields).length > 0 || rows.length > 0;
  const cursors = [named('cursor', edges), named('startCursor', info), named('endCursor', info)];
  const row = subfields(context, objectType(context.schema.getType(spec.model.name)), rows);
  const node = isPage ? nodeOf(context, spec.model, row) : undefined;
  return {
    relation,
    spec,
    node,
    args,
    wantsCursors: cursors.some((each) => each.length > 0),
    wantsTotal: named('totalCount', fields).length > 0,
    size: 1 + (node?.size ?? 0),
  };
}

function subfields(context: Context, type: GraphQLObjectType, nodes: readonly FieldNode[]): Fields {
  return collectSubfields(context.schema, context.fragments, context.variableValues, type, nodes);
}

function entityFieldOf(type: GraphQLObjectType, [node]: readonly FieldNode[]): EntityField | undefined {
  const field = node && type.getFields()[node.name.value];
  // Set by the functions of this folder only.
  return field?.extensions.entityField as EntityField | undefined;
}

function objectType(type: unknown): GraphQLObjectType {
  // The type of a list or connection of entities, without its modifiers, is an object type.
  const named = getNamedType(type as GraphQLObjectType);
  if (!(named instanceof GraphQLObjectType)) throw new Error(`${String(type)} is not an object type`);
  return named;
}
