import type { Node, RangeVar, TypeName } from 'libpg-query';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';

/** The last part of a qualified name. */
export function lastPart(names: readonly Node[] | undefined): string | undefined {
  const last = names?.at(-1);
  return last && 'String' in last ? last.String.sval : undefined;
}

/** The name of a table in a statement; undefined for a temporary one, which nobody else uses. */
export function tableOf(relation: RangeVar | undefined): string | undefined {
  return relation?.relpersistence === 't' ? undefined : relation?.relname;
}

/** SQL's names of types for which the parser has others. */
const typeNames: ReadonlyMap<string, string> = new Map([
  ['bool', 'boolean'],
  ['bpchar', 'char'],
  ['float4', 'real'],
  ['float8', 'double precision'],
  ['int2', 'smallint'],
  ['int4', 'integer'],
  ['int8', 'bigint'],
]);

/** A type as an author writes it, such as `varchar(40)`; undefined if it has parts that are written in other ways. */
export function typeOf({ names, typmods = [], arrayBounds = [] }: TypeName): string | undefined {
  const name = lastPart(names);
  const lengths = typmods.map((node) =>
    'A_Const' in node ? node.A_Const.ival && (node.A_Const.ival.ival ?? 0) : undefined,
  );
  if (name === undefined || name === 'interval' || lengths.includes(undefined)) return;
  return `${typeNames.get(name) ?? written(name)}${lengths.length > 0 ? `(${lengths.join(', ')})` : ''}${'[]'.repeat(arrayBounds.length)}`;
}

/** An identifier as an author writes it: quoted only where it has to be. */
export function written(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteIdentifier(name);
}
