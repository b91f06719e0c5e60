import { complexityFromQuery } from '@pothos/plugin-complexity';
import type { ExecutionArgs, GraphQLOutputType, OperationDefinitionNode } from 'graphql';
import { getOperationAST, Kind } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { DEFAULT_PAGE, MAX_PAGE } from './connection.ts';
import { tooMuch } from './errors.ts';

/** How many items a list is taken to have that has no pages, where its field does not say it with `complexity`. */
const LIST = 10;

interface FieldShape {
  readonly args: readonly { readonly name: string }[];
  readonly type: GraphQLOutputType;
}

/** What a field of one item costs. */
export const ONCE = { field: 1, multiplier: 1 };

/**
 * What a field costs that does not say it itself: 1, and what is in it once for every item that it may have. The items of a
 * connection are counted here, and so not again by its `nodes` and `edges`.
 */
export function fieldCost(args: Readonly<Record<string, unknown>>, _context: unknown, field: FieldShape) {
  if (field.args.some(({ name }) => name === 'first')) {
    const asked = Number(args.first ?? args.last ?? DEFAULT_PAGE);
    // What is no page is refused when it is resolved, with a better message.
    return { field: 1, multiplier: Math.min(Math.max(asked, 1), MAX_PAGE) };
  }
  return { field: 1, multiplier: field.type.toString().startsWith('[') ? LIST : 1 };
}

/**
 * Refuses operations that cost more than `max` before anything of them is resolved. It is no rule of validation, since the
 * result of validation is remembered for a document, and the cost depends on the variables. The context's `cost` tells it to
 * those who come next.
 */
export function limitCost(max: number): Plugin {
  // Yoga keeps what it has parsed: an operation without variables always costs the same, for arguments decide alone.
  const counted = new WeakMap<OperationDefinitionNode, number>();
  const check = ({ args }: { readonly args: ExecutionArgs }) => {
    const operation = getOperationAST(args.document, args.operationName);
    // Without an operation, execution says what is wrong.
    if (!operation) return;
    const cost = counted.get(operation) ?? costOf(operation, args);
    if (!operation.variableDefinitions?.length) counted.set(operation, cost);
    if (cost > max) {
      throw tooMuch(
        `The operation costs ${cost}, and ${max} is the limit. A field costs 1, times the items of the lists around it: ` +
          'ask for smaller pages with first or last, for fewer lists inside lists, or in several requests.',
      );
    }
    Object.assign(Object(args.contextValue), { cost });
  };
  return { onExecute: check, onSubscribe: check };
}

function costOf(
  operation: OperationDefinitionNode,
  { schema, document, variableValues, contextValue }: ExecutionArgs,
): number {
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  return complexityFromQuery(
    { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] },
    { schema, ctx: Object(contextValue), variables: { ...variableValues } },
  ).complexity;
}
