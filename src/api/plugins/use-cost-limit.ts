import { type ExecutionArgs, getOperationAST, getVariableValues, type OperationDefinitionNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { tooMuch } from '../errors.ts';
import { type Cost, CostCount } from '../limits/query-cost.ts';

// Yoga keeps what it has parsed: an operation without variables always costs the same, for arguments decide alone.
const ofOperations = new WeakMap<OperationDefinitionNode, Cost>();
const ofExecutions = new WeakMap<object, Cost>();

/**
 * What an operation costs, counted once for each execution, so that all plugins can ask for it. See {@link CostCount}.
 * @returns 0 for what cannot be executed: execution says what is wrong
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
 * Refuses operations that cost more than `max` before anything of them is resolved. It is no rule of validation, since the
 * result of validation is remembered for a document, and the cost depends on the variables.
 */
export function limitCost(max: number): Plugin {
  const check = ({ args }: { readonly args: ExecutionArgs }) => {
    const { cost, heaviest } = costOf(args);
    if (cost <= max) return;
    const where = heaviest.length > 0 ? ` Most of it is in ${heaviest.join('.')}.` : '';
    throw tooMuch(
      `The operation costs ${cost}, and ${max} is the limit.${where} A field costs 1, times the items that the lists around it ` +
        'can have: ask for smaller pages with first or last, for fewer lists inside lists, or in several requests.',
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
