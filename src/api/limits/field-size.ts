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

/** The properties of a field that determine its cost. */
export interface SizedField extends Required<FieldSize> {
  readonly definition: GraphQLField<unknown, unknown>;
  readonly isList: boolean;
  /** Whether `first` or `last` sets the number of items of the list or of the connection. */
  readonly takesPage: boolean;
  /** The type of the selected fields; undefined for scalars and enums. */
  readonly inner: GraphQLCompositeType | undefined;
}

/** The cost of an introspection field, relative to other fields: it only reads what is already in memory. */
const COST_OF_INTROSPECTION = 0.1;

/** The number of items to assume for introspection lists: slightly above the average. */
const ITEMS_OF_INTROSPECTION: Readonly<Record<string, number>> = { fields: 6, ofType: 0.5 };
const OTHER_ITEMS_OF_INTROSPECTION = 2;

// Cached, because types never change and analyzing them takes longer than counting.
const ofTypes = new WeakMap<GraphQLCompositeType, Map<string, readonly SizedField[]>>();

/**
 * Returns the field with this name; for an interface also the fields of the types that implement it, which may be
 * larger. Empty for `__typename`.
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
  // Set by the plugin in list-sizes.ts.
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
