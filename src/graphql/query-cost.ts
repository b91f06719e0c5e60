import type {
  DirectiveNode,
  ExecutionArgs,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLCompositeType,
  GraphQLDirective,
  GraphQLField,
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
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isListType,
  isUnionType,
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
} from 'graphql';
import { DEFAULT_PAGE, MAX_PAGE } from './connection.ts';
import { tooMuch } from './errors.ts';
import type { FieldSize } from './list-sizes.ts';

/** What something costs, and the lists that make up most of it, from the outside in. */
export interface Cost {
  readonly cost: number;
  readonly heaviest: readonly string[];
}

type Field = GraphQLField<unknown, unknown>;
type Values = Readonly<Record<string, unknown>>;

/** Values of a list, such as strings, that cost together as much as a field: measured, a field takes that much longer. */
const VALUES_OF_ONE_COST = 20;

/** A field of the schema about itself reads from memory what is there already, and costs this much of another field. */
const COST_OF_INTROSPECTION = 0.1;

/** How many items the lists have that a schema holds about itself, but for its types: somewhat more than on average. */
const INTROSPECTION_ITEMS = { fields: 6, others: 2 };

/** Names in an answer come from the request, and each is repeated for every item of the lists around it. */
const MAX_ALIAS = 100;

/**
 * Counts what an operation costs: each field 1, or what it says with `cost`, times the items that the lists around it can
 * have. It is a largest cost: lists are counted as full, and fields that are written twice as two.
 */
export class CostCount {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #variables: Values;
  /** Fragments are counted once for each type and page that they are spread in, however often that is. */
  readonly #counted = new Map<SelectionSetNode, Map<string, Cost>>();

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

  /** @param page the size of the page, where `type` is that of a connection */
  #selections(set: SelectionSetNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    const key = `${type.name} ${page}`;
    const counted = this.#counted.get(set) ?? new Map<string, Cost>();
    this.#counted.set(set, counted);
    const before = counted.get(key);
    if (before) return before;
    const parts = set.selections.filter((node) => this.#isIncluded(node)).map((node) => this.#part(node, type, page));
    const heaviest = parts.reduce((most, part) => (part.cost > most.cost ? part : most), { cost: 0, heaviest: [] });
    const sum = { cost: parts.reduce((total, { cost }) => total + cost, 0), heaviest: heaviest.heaviest };
    counted.set(key, sum);
    return sum;
  }

  #part(node: SelectionNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    if (node.kind === Kind.FIELD) return this.#field(node, type, page);
    const fragment = node.kind === Kind.FRAGMENT_SPREAD ? this.#fragments.get(node.name.value) : node;
    // Validation has refused fragments that are not there, and those that hold themselves.
    return fragment ? this.#selections(fragment.selectionSet, this.#typeOf(fragment, type), page) : nothing;
  }

  #field(node: FieldNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    const { name, alias, selectionSet } = node;
    if (alias && alias.value.length > MAX_ALIAS) {
      throw tooMuch(`An alias has ${alias.value.length} characters, and ${MAX_ALIAS} is the limit. Use a shorter one.`);
    }
    const fields = this.#definitionsOf(name.value, type);
    const costs = fields.map((field) => this.#costOf(field, node, type, page));
    // What has no definition is __typename.
    const { cost, heaviest } = costs.reduce((most, one) => (one.cost > most.cost ? one : most), {
      cost: 1,
      heaviest: [],
    });
    return selectionSet ? { cost, heaviest } : { cost, heaviest: [] };
  }

  #costOf(field: Field, node: FieldNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    const isOfSchema = type.name.startsWith('__');
    const own = isOfSchema ? COST_OF_INTROSPECTION : (sizeOf(field).cost ?? 1);
    const args = field.args.length > 0 ? this.#argumentsOf(field, node) : {};
    const items = isListType(getNullableType(field.type)) ? this.#itemsOf(field, args, type, page) : 1;
    const inner = getNamedType(field.type);
    if (!isCompositeType(inner) || !node.selectionSet) {
      return { cost: own + (items > 1 ? items / VALUES_OF_ONE_COST : 0), heaviest: [] };
    }
    const innerPage = items === 1 && takesPage(field) ? pageOf(args, DEFAULT_PAGE, MAX_PAGE) : undefined;
    const inside = this.#selections(node.selectionSet, inner, innerPage);
    const isHeavy = items > 1 || inside.heaviest.length > 0;
    return { cost: own + items * inside.cost, heaviest: isHeavy ? [field.name, ...inside.heaviest] : [] };
  }

  #itemsOf(field: Field, args: Values, type: GraphQLCompositeType, page: number | undefined): number {
    if (field.name === 'types' && type.name === '__Schema') return Object.keys(this.#schema.getTypeMap()).length;
    const { maxItems = field.name === 'fields' ? INTROSPECTION_ITEMS.fields : INTROSPECTION_ITEMS.others } = sizeOf(field);
    const most = typeof maxItems === 'function' ? maxItems(args) : maxItems;
    return takesPage(field) ? pageOf(args, most, most) : Math.min(page ?? most, most);
  }

  /** The field, and where it is one of an interface also those of the types that implement it, which may be larger. */
  #definitionsOf(name: string, type: GraphQLCompositeType): Field[] {
    if (type === this.#schema.getQueryType()) {
      if (name === SchemaMetaFieldDef.name) return [SchemaMetaFieldDef];
      if (name === TypeMetaFieldDef.name) return [TypeMetaFieldDef];
    }
    const implementing = isAbstractType(type) ? this.#schema.getPossibleTypes(type) : [];
    const types = isUnionType(type) ? implementing : [type, ...implementing];
    return types.flatMap((one) => one.getFields()[name] ?? []);
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
    const says = (directive: GraphQLDirective) => this.#directive(directive, node);
    return says(GraphQLSkipDirective) !== true && says(GraphQLIncludeDirective) !== false;
  }

  #directive(directive: GraphQLDirective, node: { readonly directives?: readonly DirectiveNode[] }): unknown {
    return getDirectiveValues(directive, node, this.#variables)?.if;
  }

  #argumentsOf(field: Field, node: FieldNode): Values {
    return getArgumentValues(field, node, this.#variables);
  }
}

const nothing: Cost = { cost: 0, heaviest: [] };

/** What the builder has put into a field's extensions. */
function sizeOf({ extensions }: Field): FieldSize {
  return extensions;
}

function takesPage({ args }: Field): boolean {
  return args.some(({ name }) => name === 'first');
}

/** The size of the page that is asked for. What is no page is refused when it is resolved, with a better message. */
function pageOf({ first, last }: Values, otherwise: number, most: number): number {
  return Math.min(Math.max(Number(first ?? last ?? otherwise), 1), most);
}
