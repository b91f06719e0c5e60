import type { FieldRequiredness, InputType, SchemaTypes } from '@pothos/core';
import {
  defaultFieldResolver,
  type GraphQLArgument,
  type GraphQLFieldConfig,
  GraphQLID,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isIntrospectionType,
  isListType,
  isObjectType,
} from 'graphql';
import { AppError } from '../../lib/errors.ts';

declare global {
  // Pothos has no other way to add options to arguments and input fields.
  namespace PothosSchemaTypes {
    interface InputFieldOptions<
      // The type parameters must match those of the declaration that this one merges with.
      Types extends SchemaTypes = SchemaTypes,
      Type extends InputType<Types> | [InputType<Types>] = InputType<Types> | [InputType<Types>],
      Req extends FieldRequiredness<Type> = FieldRequiredness<Type>,
    > {
      /**
       * The maximum length of the string, or of each string of a list, in UTF-16 code units; see {@link defaultLimits}.
       */
      maxLength?: number;
      /** The maximum number of elements of the list; see {@link defaultLimits}. */
      maxItems?: number;
    }
  }
}

/** The limits of an argument or an input field. */
export interface InputLimits {
  /** The maximum length of a string, in UTF-16 code units. */
  readonly maxLength: number;
  /** The maximum number of elements of a list. */
  readonly maxItems: number;
}

/** The default limits. An ID is a UUID, a slug or a name. */
export const defaultLimits = { text: 2_000, id: 255, items: 100 } as const;

/**
 * Checks the arguments of every field before anything else happens, including scopes and the audit log.
 * @throws {AppError} (when a field is resolved) BAD_USER_INPUT with the name of the argument and its limit
 */
export function limitInputs(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isObjectType(type) && !isIntrospectionType(type)) limitFields(type);
  }
  return schema;
}

/** Returns the largest limits in a schema. A value that exceeds them is invalid for every argument. */
export function largestLimits(schema: GraphQLSchema): InputLimits {
  const all = Object.values(schema.getTypeMap()).flatMap((type) => {
    if (isInputObjectType(type)) return Object.values(type.getFields());
    return isObjectType(type) && !isIntrospectionType(type) ? argumentsOf(type) : [];
  });
  const limits = all.map(limitsOf);
  return {
    maxLength: Math.max(defaultLimits.text, ...limits.map(({ maxLength }) => maxLength)),
    maxItems: Math.max(defaultLimits.items, ...limits.map(({ maxItems }) => maxItems)),
  };
}

/** The path of a value in the arguments: names and list indexes. */
export type InputPath = readonly string[];

/**
 * PostgreSQL, hashes and JSON would replace half of a surrogate pair, so that two different texts became equal.
 * @throws {AppError} BAD_USER_INPUT
 */
export function checkText(path: InputPath, text: string, maxLength: number): void {
  if (text.length > maxLength) throw tooLarge(path, `${text.length} characters`, maxLength);
  if (text.isWellFormed()) return;
  const argument = path.join('.');
  throw new AppError('BAD_USER_INPUT', `${argument} has half of a surrogate pair, which is not valid Unicode.`, {
    details: { field: fieldOf(path), argument },
  });
}

/** @throws {AppError} BAD_USER_INPUT */
export function checkItems(path: InputPath, list: readonly unknown[], maxItems: number): void {
  if (list.length > maxItems) throw tooLarge(path, `${list.length} elements`, maxItems);
}

function tooLarge(path: InputPath, size: string, limit: number): AppError {
  const argument = path.join('.');
  const message = `${argument} has ${size}; the limit is ${limit}.`;
  return new AppError('BAD_USER_INPUT', message, { details: { field: fieldOf(path), argument, limit } });
}

/** Returns the last name of a path. */
function fieldOf(path: InputPath): string | undefined {
  return path.findLast((name) => !/^\d+$/.test(name));
}

function argumentsOf(type: GraphQLObjectType): GraphQLArgument[] {
  return Object.values(type.getFields()).flatMap(({ args }) => args);
}

function limitFields(type: GraphQLObjectType): void {
  for (const field of Object.values(type.getFields())) {
    if (field.args.length === 0) continue;
    const guarded = (call: Resolver): Resolver => {
      return (root, args, context, info) => {
        for (const arg of field.args) check([arg.name], args[arg.name], arg.type, limitsOf(arg));
        return call(root, args, context, info);
      };
    };
    // A subscription checks its arguments once: every event is resolved with the same ones.
    if (field.subscribe) field.subscribe = guarded(field.subscribe);
    else field.resolve = guarded(field.resolve ?? defaultFieldResolver);
  }
}

type Resolver = NonNullable<GraphQLFieldConfig<unknown, unknown>['resolve']>;

function check(path: InputPath, value: unknown, type: GraphQLInputType, limits: InputLimits): void {
  const expected = getNullableType(type);
  if (typeof value === 'string') checkText(path, value, limits.maxLength);
  else if (isListType(expected) && Array.isArray(value)) {
    checkItems(path, value, limits.maxItems);
    for (const [index, item] of value.entries()) check([...path, String(index)], item, expected.ofType, limits);
  } else if (isInputObjectType(expected) && typeof value === 'object' && value !== null) {
    for (const field of Object.values(expected.getFields())) {
      check([...path, field.name], Reflect.get(value, field.name), field.type, limitsOf(field));
    }
  }
}

/** Returns the declared limits of an argument or input field, or the defaults. */
export function limitsOf({ type, extensions }: GraphQLArgument | GraphQLInputField): InputLimits {
  // Pothos stores the field's options here.
  const declared = extensions.pothosOptions as Partial<InputLimits> | undefined;
  return {
    maxLength: declared?.maxLength ?? (getNamedType(type) === GraphQLID ? defaultLimits.id : defaultLimits.text),
    maxItems: declared?.maxItems ?? defaultLimits.items,
  };
}
