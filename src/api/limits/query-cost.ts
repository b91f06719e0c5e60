import type {
  ExecutionArgs,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLCompositeType,
  GraphQLSchema,
  InlineFragmentNode,
  OperationDefinitionNode,
  SelectionNode,
  SelectionSetNode,
} from 'graphql';
import {
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  isCompositeType,
  Kind,
} from 'graphql';
import { DEFAULT_PAGE, MAX_PAGE } from '../../orm/pagination.ts';
import { tooMuch } from '../errors.ts';
import { fieldsNamed, type SizedField } from './field-size.ts';

/** A cost, and the nested lists that cause most of it, outermost first. */
export interface Cost {
  readonly cost: number;
  readonly heaviest: readonly string[];
}

type Values = Readonly<Record<string, unknown>>;

/** How many scalars of a list cost as much as one field: they have neither a resolver nor a row of their own. */
const VALUES_OF_ONE_FIELD = 25;

/** The maximum length of an alias: the response repeats it for every item of the surrounding lists. */
const MAX_ALIAS = 100;

const noArguments: Values = {};

/**
 * Computes the cost of an operation: the sum of its fields, each 1 or its declared `cost`, multiplied by the number of
 * items of the surrounding lists. It is an upper bound: lists count as full, and a field that is selected twice counts
 * twice.
 */
export class CostCount {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #variables: Values;
  /** The costs of fragments, by type and page size, so that each is counted only once. */
  readonly #counted = new Map<string, Cost>();

  constructor({ schema, document }: Pick<ExecutionArgs, 'schema' | 'document'>, variables: Values) {
    this.#schema = schema;
    this.#variables = variables;
    const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
  }

  /** @throws {GraphQLError} BAD_USER_INPUT for an alias that is too long */
  of({ operation, selectionSet }: OperationDefinitionNode): Cost {
    const type = this.#schema.getRootType(operation);
    return type ? this.#selections(selectionSet, type, undefined) : { cost: 0, heaviest: [] };
  }

  /** @param page the page size, if `type` is a connection */
  #selections({ selections }: SelectionSetNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    let sum = 0;
    let most: Cost = { cost: 0, heaviest: [] };
    for (const node of selections) {
      if (!this.#isIncluded(node)) continue;
      const part = this.#part(node, type, page);
      sum += part.cost;
      if (part.cost > most.cost) most = part;
    }
    return { cost: sum, heaviest: most.heaviest };
  }

  #part(node: SelectionNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    if (node.kind === Kind.FIELD) return this.#field(node, type, page);
    if (node.kind === Kind.INLINE_FRAGMENT) return this.#selections(node.selectionSet, this.#typeOf(node, type), page);
    const fragment = this.#fragments.get(node.name.value);
    // Validation has already rejected unknown fragments and cycles.
    if (!fragment) return { cost: 0, heaviest: [] };
    const key = `${node.name.value} ${type.name} ${page}`;
    const counted =
      this.#counted.get(key) ?? this.#selections(fragment.selectionSet, this.#typeOf(fragment, type), page);
    this.#counted.set(key, counted);
    return counted;
  }

  #field(node: FieldNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    const { name, alias } = node;
    if (alias && alias.value.length > MAX_ALIAS) {
      throw tooMuch(`An alias has ${alias.value.length} characters; the limit is ${MAX_ALIAS}.`);
    }
    const [first, ...others] = fieldsNamed(this.#schema, type, name.value);
    if (!first) return { cost: 1, heaviest: [] };
    let most = this.#costOf(first, node, page);
    for (const other of others) {
      const cost = this.#costOf(other, node, page);
      if (cost.cost > most.cost) most = cost;
    }
    return most;
  }

  #costOf(field: SizedField, node: FieldNode, page: number | undefined): Cost {
    const { definition, isList, takesPage, inner } = field;
    const args = definition.args.length > 0 ? getArgumentValues(definition, node, this.#variables) : noArguments;
    const cost = typeof field.cost === 'function' ? field.cost(args) : field.cost;
    const items = isList ? itemsOf(field, args, page) : 1;
    if (!inner || !node.selectionSet) return { cost: isList ? cost + items / VALUES_OF_ONE_FIELD : cost, heaviest: [] };
    const innerPage = takesPage && !isList ? pageOf(args, DEFAULT_PAGE, MAX_PAGE) : undefined;
    const inside = this.#selections(node.selectionSet, inner, innerPage);
    const isHeavy = items > 1 || inside.heaviest.length > 0;
    return { cost: cost + items * inside.cost, heaviest: isHeavy ? [definition.name, ...inside.heaviest] : [] };
  }

  #typeOf(
    { typeCondition }: FragmentDefinitionNode | InlineFragmentNode,
    type: GraphQLCompositeType,
  ): GraphQLCompositeType {
    const named = typeCondition && this.#schema.getType(typeCondition.name.value);
    return isCompositeType(named) ? named : type;
  }

  #isIncluded(node: SelectionNode): boolean {
    if (!node.directives?.length) return true;
    if (getDirectiveValues(GraphQLSkipDirective, node, this.#variables)?.if === true) return false;
    return getDirectiveValues(GraphQLIncludeDirective, node, this.#variables)?.if !== false;
  }
}

function itemsOf({ maxItems, takesPage }: SizedField, args: Values, page: number | undefined): number {
  const most = typeof maxItems === 'function' ? maxItems(args) : maxItems;
  return takesPage ? pageOf(args, most, most) : Math.min(page ?? most, most);
}

/** Returns the requested page size. The resolver rejects an invalid size later, with a better message. */
function pageOf({ first, last }: Values, otherwise: number, most: number): number {
  return Math.min(Math.max(Number(first ?? last ?? otherwise), 1), most);
}
