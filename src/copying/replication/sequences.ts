import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';

/** The value of a sequence. */
export interface SequenceValue {
  readonly name: string;
  /** A bigint as text. */
  readonly last: string;
  /** Whether `last` was given out. */
  readonly isCalled: boolean;
}

/** How many sequences are read in one statement, each of which is locked. */
const AT_ONCE = 500;

/** Lists a schema's sequences. */
export async function listSequences(client: pg.Client, schema: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'S' ORDER BY 1`,
    [quoteIdentifier(schema)],
  );
  return rows.map(({ name }) => name);
}

/** Reads the values of sequences, which PostgreSQL does not stream. */
export async function readSequences(
  client: pg.Client,
  schema: string,
  names: readonly string[],
): Promise<readonly SequenceValue[]> {
  const values: SequenceValue[] = [];
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const reads = names
      .slice(from, from + AT_ONCE)
      .map(
        (name) =>
          `SELECT ${quoteLiteral(name)} AS name, last_value::text AS last, is_called AS "isCalled" FROM ${quoteIdentifier(schema)}.${quoteIdentifier(name)}`,
      );
    values.push(...(await client.query<SequenceValue>(reads.join(' UNION ALL '))).rows);
  }
  return values;
}

/** Sets the sequences of a schema. */
export async function setSequences(client: pg.Client, schema: string, values: readonly SequenceValue[]): Promise<void> {
  await client.query(
    `SELECT setval(name::regclass, last::bigint, called) FROM unnest($1::text[], $2::text[], $3::bool[]) v (name, last, called)`,
    [
      values.map(({ name }) => `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`),
      values.map(({ last }) => last),
      values.map(({ isCalled }) => isCalled),
    ],
  );
}
