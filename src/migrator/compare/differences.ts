import type { SchemaFacts } from './schema-facts.ts';

/** An object that two schemas do not both have in the same form. */
export interface FactDifference {
  /** Kind and name, such as `column products.stock`. */
  readonly fact: string;
  /** Its definition in each; undefined where it is missing. */
  readonly one: string | undefined;
  readonly other: string | undefined;
}

/** Compares the facts of two schemas. */
export function compareFacts(one: SchemaFacts, other: SchemaFacts): readonly FactDifference[] {
  const names = [...new Set([...one.keys(), ...other.keys()])].sort();
  return names
    .filter((fact) => one.get(fact) !== other.get(fact))
    .map((fact) => ({ fact, one: one.get(fact), other: other.get(fact) }));
}

/** Leaves out the objects that belong to a table which is itself different, since the table's line tells of them. */
export function essential(differences: readonly FactDifference[]): readonly FactDifference[] {
  const lost = new Set(
    differences.filter(({ one, other }) => one === undefined || other === undefined).map(({ fact }) => fact),
  );
  return differences.filter(({ fact }) => {
    const table = tableOf(fact);
    return table === undefined || !lost.has(`table ${table}`);
  });
}

/** The kinds of facts that belong to a table. */
const ofTables: ReadonlySet<string> = new Set(['column', 'constraint', 'trigger', 'policy', 'rule', 'rows', 'values']);

/** Returns the table of a fact such as `column orders.total`; undefined for other facts. */
function tableOf(fact: string): string | undefined {
  const space = fact.indexOf(' ');
  if (!ofTables.has(fact.slice(0, space))) return undefined;
  const name = fact.slice(space + 1);
  const dot = name.indexOf('.', 1);
  return dot < 0 ? name : name.slice(0, dot);
}

/** Describes a difference in words. `places` are the ends of sentences that tell the two schemas apart, such as `in a`. */
export function describeDifference({ fact, one, other }: FactDifference, places: readonly [string, string]): string {
  if (one === undefined) return `${fact} exists only ${places[1]}`;
  if (other === undefined) return `${fact} exists only ${places[0]}`;
  return `${fact} is ${short(one)} ${places[0]}, but ${short(other)} ${places[1]}`;
}

function short(definition: string): string {
  const text = definition.replace(/\s+/g, ' ').trim();
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
