import type { EntityProperty } from '@mikro-orm/core';
import { badInput } from '../../lib/errors.ts';
import { builder } from '../builder.ts';
import { kindOf, type ScalarName } from './column-kinds.ts';
import { checkColumn } from './column-limits.ts';
import type { EntityModel } from './entity-model.ts';
import { leafType } from './inputs.ts';
import { propertyOf } from './metadata.ts';
import { parameterOf } from './sql/column.ts';
import { type StandardSchema, validate } from './standard-schema.ts';

/** How clients write one property of an entity. */
export interface InputField {
  /** Validates and converts the value; null is not passed to it. */
  readonly schema?: StandardSchema;
  readonly description?: string;
  /** The maximum length of a text, before its schema sees it. */
  readonly maxLength?: number;
  /** The type, if it is not the column's. */
  readonly type?: ScalarName;
  /** The value of a new object where the client sends none. */
  readonly defaultValue?: string | number | boolean;
}

/** The properties that clients write, for creating and for updating. A relation to one is written as an id. */
export type InputFields<T> = { readonly [K in keyof T & string]?: InputField };

/** Values of an entity's properties, as a client has sent them. */
export type InputValues<T> = Partial<T>;

/** Creates the input of a mutation: all fields that an object needs for creating, none required for updating. */
export function inputType(model: EntityModel, fields: InputFields<object>, change: 'Create' | 'Update') {
  return builder.inputType(`${change}${model.name}Input`, {
    ...(change === 'Update' && { description: 'Omitted fields stay unchanged.' }),
    fields: (t) =>
      Object.fromEntries(
        entriesOf(fields).map(([name, { description, maxLength, type, defaultValue }]) => {
          const property = propertyOf(model.meta, name);
          const isNew = change === 'Create';
          const options = {
            required: isNew && defaultValue === undefined && isRequired(property),
            ...(description !== undefined && { description }),
            ...(maxLength !== undefined && { maxLength }),
            // The module declares a default that fits the type.
            ...(isNew && defaultValue !== undefined && { defaultValue: defaultValue as never }),
          };
          const leaf = type ?? leafType(model, property);
          return [
            name,
            kindOf(property).isArray ? t.field({ ...options, type: [leaf] }) : t.field({ ...options, type: leaf }),
          ];
        }),
      ),
  });
}

/**
 * Validates what a client has sent; what it has left out is left out.
 * @throws {AppError} BAD_USER_INPUT with the field
 */
export async function validInput<T extends object>(
  model: EntityModel,
  fields: InputFields<T>,
  input: Readonly<Record<string, unknown>>,
): Promise<InputValues<T>> {
  const values: Record<string, unknown> = {};
  for (const [name, { schema, defaultValue }] of entriesOf(fields)) {
    const value = input[name];
    if (value === undefined) continue;
    const property = propertyOf(model.meta, name);
    // As if a new object's field was left out.
    if (value === null && defaultValue !== undefined) continue;
    if (value === null && !property.nullable) throw badInput(name, `${name} must not be null`);
    values[name] = value === null ? null : await validValue(property, schema, value);
  }
  // The names are those of the entity's properties, and the values have the types of their columns.
  return values as InputValues<T>;
}

async function validValue(
  property: EntityProperty,
  schema: StandardSchema | undefined,
  value: unknown,
): Promise<unknown> {
  const { name, runtimeType } = property;
  const valid = schema ? await validate(name, schema, value) : value;
  checkColumn(property, valid);
  const kind = kindOf(property);
  // The ORM converts all other values itself.
  if (kind.scalar === 'ID') return parameterOf(name, kind, valid);
  return runtimeType === 'bigint' && typeof valid === 'string' ? BigInt(valid) : valid;
}

/** Whether a new object needs a value. */
function isRequired({ nullable, default: value, defaultRaw, onCreate }: EntityProperty): boolean {
  return !nullable && value === undefined && defaultRaw === undefined && onCreate === undefined;
}

function entriesOf(fields: InputFields<object>): [string, InputField][] {
  // The options that are not undefined.
  return Object.entries(fields) as [string, InputField][];
}
