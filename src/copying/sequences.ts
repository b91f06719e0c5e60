import type pg from 'pg';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../postgres/sql/quote.ts';
import type { CopySide } from './session.ts';
import { notOfExtensionSql } from './tables.ts';
import { portionsOf } from './together.ts';

/** How many sequences are read or set with one statement, which locks them. */
const PORTION = 200;

/** The value of a sequence, and whether the next one comes after it or is it. */
export interface SequenceState {
  readonly name: string;
  readonly value: string;
  readonly called: boolean;
}

/**
 * Sets the sequences of one place to the values that those of the other have now. Sequences have no snapshots, so the values are
 * not lower than what rows of an earlier snapshot have used.
 */
export async function copySequences(from: CopySide, to: CopySide): Promise<void> {
  const [wanted = [], present = []] = await Promise.all(
    [from, to].map(({ client, place }) => readSequences(client, place.schema)),
  );
  const has = new Map(present.map((state) => [state.name, state]));
  const changed = wanted.filter(({ name, value, called }) => {
    const now = has.get(name);
    return now?.value !== value || now.called !== called;
  });
  if (changed.length === 0) return;
  await setSequences(to.client, to.place.schema, changed);
}

/** Reads the sequences of a schema. */
export async function readSequences(client: pg.Client, schema: string): Promise<readonly SequenceState[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace
       AND relkind = 'S' AND ${notOfExtensionSql('pg_class', 'pg_class.oid')} ORDER BY 1`,
  );
  const states: SequenceState[] = [];
  for (const portion of portionsOf(rows, PORTION)) {
    const selects = portion.map(
      ({ name }) =>
        `SELECT ${quoteLiteral(name)} AS name, last_value AS value, is_called AS called FROM ${quoteQualified(schema, name)}`,
    );
    states.push(...(await client.query<SequenceState>(selects.join(' UNION ALL '))).rows);
  }
  return states;
}

/**
 * Sets sequences of a schema.
 * @see https://www.postgresql.org/docs/current/functions-sequence.html
 */
export async function setSequences(client: pg.Client, schema: string, states: readonly SequenceState[]): Promise<void> {
  for (const portion of portionsOf(states, PORTION)) {
    await client.query(
      `SELECT setval(format('%I.%I', $1::text, name)::regclass, value, called)
       FROM unnest($2::text[], $3::bigint[], $4::boolean[]) s (name, value, called)`,
      [schema, portion.map(({ name }) => name), portion.map(({ value }) => value), portion.map(({ called }) => called)],
    );
  }
}
