import type { Node, RangeVar } from 'libpg-query';
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

/** An identifier as an author writes it: quoted only where it has to be. */
export function written(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteIdentifier(name);
}
