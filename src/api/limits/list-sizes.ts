import SchemaBuilder, {
  BasePlugin,
  type FieldNullability,
  type InputFieldMap,
  type InputShapeFromFields,
  isThenable,
  type PothosOutputFieldConfig,
  PothosSchemaError,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core';
import type { GraphQLFieldResolver, GraphQLResolveInfo } from 'graphql';
import { AppError } from '../../lib/errors.ts';
import type { AnswerSize } from './answer-size.ts';

/** The declared size of a field, stored in its `extensions`. */
export interface FieldSize<Args = Readonly<Record<string, unknown>>> {
  /**
   * The maximum number of items of a list, whatever its arguments. The cost of an operation is computed with it, or
   * with the page size in `first` or `last`. A longer list is an error, so either its query needs a LIMIT or the number
   * of rows must be limited when they are written.
   */
  readonly maxItems?: number | ((args: Args) => number);
  /** The cost of the field itself, without its selected fields; 1 by default. It may depend on the arguments. */
  readonly cost?: number | ((args: Args) => number);
}

/**
 * The maximum length of lists of strings that are short in practice, such as the names of a tenant's missing
 * migrations.
 */
export const MAX_TEXTS = 1000;

declare global {
  namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      listSizes: ListSizesPlugin<Types>;
    }
    // The type parameters must match those of the interface that this declaration merges with.
    interface FieldOptions<
      Types extends SchemaTypes = SchemaTypes,
      ParentShape = unknown,
      Type extends TypeParam<Types> = TypeParam<Types>,
      Nullable extends FieldNullability<Type> = FieldNullability<Type>,
      Args extends InputFieldMap = InputFieldMap,
      ResolveShape = unknown,
      ResolveReturnShape = unknown,
    > extends FieldSize<InputShapeFromFields<Args>> {}
  }
}

type Resolver = GraphQLFieldResolver<unknown, object, object>;

/** Adds the size of a value to the response's and returns the value. */
type Count = (value: unknown, answer: AnswerSize, info: GraphQLResolveInfo, args: object) => unknown;

/**
 * Requires every list of the schema to declare its maximum length, and counts the size of responses. It must be the
 * first plugin, so that beyond a limit no other plugin starts work on a field.
 */
export class ListSizesPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(field: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    const { maxItems, cost }: FieldSize = field.pothosOptions;
    if (field.type.kind === 'List' && maxItems === undefined) {
      throw new PothosSchemaError(`${nameOf(field)} is a list without a limit. Make it a connection, or set maxItems.`);
    }
    const size = { ...(maxItems !== undefined && { maxItems }), ...(cost !== undefined && { cost }) };
    return { ...field, extensions: { ...field.extensions, ...size } };
  }

  override wrapResolve(resolve: Resolver, field: PothosOutputFieldConfig<Types>): Resolver {
    const { type } = field;
    const { maxItems }: FieldSize = field.pothosOptions;
    const ofOne = isLeaf(type) ? countLeaf : countObject;
    const count = type.kind === 'List' ? countList(nameOf(field), isLeaf(type.type), maxItems) : ofOne;
    return (parent, args, context, info) => {
      // Pothos types the context only as an object; ours always has `answer`.
      const { answer } = context as { readonly answer: AnswerSize };
      if (answer.refusal) throw answer.refusal;
      const value: unknown = resolve(parent, args, context, info);
      return isThenable(value)
        ? value.then((resolved) => count(resolved, answer, info, args))
        : count(value, answer, info, args);
    };
  }
}

SchemaBuilder.registerPlugin('listSizes', ListSizesPlugin);

function nameOf({ parentType, name }: { readonly parentType: string; readonly name: string }): string {
  return `${parentType}.${name}`;
}

function isLeaf({ kind }: { readonly kind: string }): boolean {
  return kind === 'Scalar' || kind === 'Enum';
}

/** The size of a field's name with its quotation marks, colon and comma, in bytes. */
function bytesOfName({ path }: GraphQLResolveInfo): number {
  return String(path.key).length + 4;
}

function bytesOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  // A value of the scalar JSON.
  return typeof value === 'object' && value !== null && !(value instanceof Date) ? JSON.stringify(value).length : 8;
}

const countLeaf: Count = (value, answer, info) => {
  answer.add(0, bytesOfName(info) + bytesOf(value), info);
  return value;
};

const countObject: Count = (value, answer, info) => {
  answer.add(value == null ? 0 : 1, bytesOfName(info), info);
  return value;
};

function countList(name: string, isOfLeaves: boolean, maxItems: FieldSize['maxItems']): Count {
  return (value, answer, info, args) => {
    if (value == null) return value;
    // GraphQL only accepts iterables as the value of a list.
    const items = Array.isArray(value) ? value : [...(value as Iterable<unknown>)];
    const most = typeof maxItems === 'function' ? maxItems({ ...args }) : (maxItems ?? 0);
    if (items.length > most) {
      throw new AppError(
        'BAD_USER_INPUT',
        `${name} has ${items.length} items; the limit is ${most}. Leave this field out.`,
      );
    }
    const bytes = isOfLeaves ? items.reduce((sum: number, item) => sum + bytesOf(item) + 3, 0) : items.length * 2;
    answer.add(isOfLeaves ? 0 : items.length, bytesOfName(info) + bytes, info);
    return items;
  };
}
