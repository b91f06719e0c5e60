import type { GraphQLCompositeType, GraphQLField, GraphQLSchema } from 'graphql';
import {
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isListType,
  isUnionType,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
} from 'graphql';
import type { FieldSize } from './list-sizes.ts';

/** What counting needs to know of a field. */
export interface SizedField extends Required<FieldSize> {
  readonly definition: GraphQLField<unknown, unknown>;
  readonly isList: boolean;
  /** Whether `first` or `last` says how many items it, or the connection that it gives, has. */
  readonly takesPage: boolean;
  /** The type of what is inside; undefined for values. */
  readonly inner: GraphQLCompositeType | undefined;
}

/** A field of the schema about itself reads from memory what is there already, and costs this much of another field. */
const COST_OF_INTROSPECTION = 0.1;

/** How many items such fields have: somewhat more than on average. */
const ITEMS_OF_INTROSPECTION: Readonly<Record<string, number>> = { fields: 6, ofType: 0.5 };
const OTHER_ITEMS_OF_INTROSPECTION = 2;

// Types never change, and telling what they are takes longer than counting.
const ofTypes = new WeakMap<GraphQLCompositeType, Map<string, readonly SizedField[]>>();

/**
 * The field of a name, and where it is one of an interface also those of the types that implement it, which may be larger.
 * None for `__typename`.
 */
export function fieldsNamed(schema: GraphQLSchema, type: GraphQLCompositeType, name: string): readonly SizedField[] {
  const fields = ofTypes.get(type) ?? new Map<string, readonly SizedField[]>();
  ofTypes.set(type, fields);
  const found = fields.get(name) ?? findFields(schema, type, name);
  fields.set(name, found);
  return found;
}

function findFields(schema: GraphQLSchema, type: GraphQLCompositeType, name: string): SizedField[] {
  if (type === schema.getQueryType()) {
    const meta = [SchemaMetaFieldDef, TypeMetaFieldDef].find((field) => field.name === name);
    if (meta) return [sized(schema, type, meta)];
  }
  const implementing = isAbstractType(type) ? schema.getPossibleTypes(type) : [];
  const types = isUnionType(type) ? implementing : [type, ...implementing];
  return types.flatMap((one) => {
    const field = one.getFields()[name];
    return field ? sized(schema, one, field) : [];
  });
}

function sized(
  schema: GraphQLSchema,
  type: GraphQLCompositeType,
  definition: GraphQLField<unknown, unknown>,
): SizedField {
  const inner = getNamedType(definition.type);
  const isOfSchema = type.name.startsWith('__');
  // The builder has put them there.
  const { maxItems, cost }: FieldSize = isOfSchema ? {} : definition.extensions;
  const { name } = definition;
  const types = name === 'types' && isOfSchema ? Object.keys(schema.getTypeMap()).length : undefined;
  return {
    definition,
    isList: isListType(getNullableType(definition.type)) || (isOfSchema && name === 'ofType'),
    takesPage: definition.args.some((arg) => arg.name === 'first'),
    inner: isCompositeType(inner) ? inner : undefined,
    maxItems: maxItems ?? types ?? ITEMS_OF_INTROSPECTION[name] ?? OTHER_ITEMS_OF_INTROSPECTION,
    cost: cost ?? (isOfSchema ? COST_OF_INTROSPECTION : 1),
  };
}
