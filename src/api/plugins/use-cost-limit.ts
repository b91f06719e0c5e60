import { type ExecutionArgs, getOperationAST, getVariableValues, type OperationDefinitionNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { tooMuch } from '../errors.ts';
import { type Cost, CostCount } from '../limits/query-cost.ts';

// Yoga caches parsed documents. Without variables, an operation always costs the same.
const ofOperations = new WeakMap<OperationDefinitionNode, Cost>();
const ofExecutions = new WeakMap<object, Cost>();

/**
 * Returns the cost of an operation, computed once per execution so that every plugin can use it. See {@link CostCount}.
 * @returns 0 for an operation that cannot be executed; execution reports the error
 * @throws {GraphQLError} BAD_USER_INPUT for an alias that is too long
 */
export function costOf(args: ExecutionArgs): Cost {
  const operation = getOperationAST(args.document, args.operationName);
  const known = ofExecutions.get(args) ?? (operation && ofOperations.get(operation));
  if (known) return known;
  const cost = operation ? count(operation, args) : { cost: 0, heaviest: [] };
  ofExecutions.set(args, cost);
  if (operation && !operation.variableDefinitions?.length) ofOperations.set(operation, cost);
  return cost;
}

/**
 * Refuses operations that cost more than `max` before any field is resolved. It is not a validation rule, because the
 * result of validation is cached per document, while the cost depends on the variables.
 */
export function limitCost(max: number): Plugin {
  const check = ({ args }: { readonly args: ExecutionArgs }) => {
    const { cost, heaviest } = costOf(args);
    if (cost <= max) return;
    const where = heaviest.length > 0 ? ` Most of it is in ${heaviest.join('.')}.` : '';
    throw tooMuch(
      `The operation costs ${cost}; the limit is ${max}.${where} A field costs 1, multiplied by the items of the lists around it: ` +
        'request smaller pages with first or last, use fewer nested lists, or split the operation.',
    );
  };
  return { onExecute: check, onSubscribe: check };
}

function count(operation: OperationDefinitionNode, args: ExecutionArgs): Cost {
  const { schema, variableValues } = args;
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {}, {
    maxErrors: 1,
  });
  if (!coerced) return { cost: 0, heaviest: [] };
  const { cost, heaviest } = new CostCount(args, coerced).of(operation);
  return { cost: Math.ceil(cost), heaviest };
}
