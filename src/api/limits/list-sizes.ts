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

/** What a field says of its size; the fields' `extensions` hold it. */
export interface FieldSize<Args = Readonly<Record<string, unknown>>> {
  /**
   * The most items of a list, whatever its arguments say. The cost of an operation counts with it, or with the page that `first`
   * or `last` asks for. A list that has more is an error, so that its statement needs a LIMIT, or its rows a limit when they are
   * written.
   */
  readonly maxItems?: number | ((args: Args) => number);
  /** What it costs itself, without what is inside; 1 if it does not say it. */
  readonly cost?: number;
}

/** The most items of lists of texts that are short in practice, such as the names of the migrations that a tenant lacks. */
export const MAX_TEXTS = 1000;

declare global {
  namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      listSizes: ListSizesPlugin<Types>;
    }
    // The parameters must be those of the interface that this extends.
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

/** Adds what a value is in the answer to its size, and gives the value. */
type Count = (value: unknown, answer: AnswerSize, info: GraphQLResolveInfo, args: object) => unknown;

/**
 * Has every list of the schema say how many items it can have, and counts what is answered. It goes first among the plugins,
 * so that beyond a limit nothing else of a field is begun either.
 */
export class ListSizesPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(field: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    const { maxItems, cost }: FieldSize = field.pothosOptions;
    if (field.type.kind === 'List' && maxItems === undefined) {
      throw new PothosSchemaError(
        `${nameOf(field)} is a list without a limit. Make it a connection, or say with maxItems how many items it can have.`,
      );
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
      // Pothos knows the context only as an object; ours always has it.
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

/** What the name of a field and the signs around it take, in bytes. */
function bytesOfName({ path }: GraphQLResolveInfo): number {
  return String(path.key).length + 4;
}

function bytesOf(value: unknown): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : 8;
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
    // Nothing else than an iterable can be the value of a list, as GraphQL has it.
    const items = Array.isArray(value) ? value : [...(value as Iterable<unknown>)];
    const most = typeof maxItems === 'function' ? maxItems({ ...args }) : (maxItems ?? 0);
    if (items.length > most) {
      throw new AppError(
        'BAD_USER_INPUT',
        `${name} has ${items.length} items, and ${most} is the limit. Ask without this field.`,
      );
    }
    const bytes = isOfLeaves ? items.reduce((sum: number, item) => sum + bytesOf(item) + 3, 0) : items.length * 2;
    answer.add(isOfLeaves ? 0 : items.length, bytesOfName(info) + bytes, info);
    return items;
  };
}
