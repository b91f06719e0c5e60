import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';

/** A table with rows whose changes are to be streamed; of a partitioned table, each partition is one. */
export interface SourceTable {
  readonly name: string;
  readonly isLogged: boolean;
  /** Whether its replica identity tells its rows apart; `generated` if PostgreSQL would leave out a part of it. */
  readonly identity: 'good' | 'none' | 'generated';
}

/** What a schema has that matters for replication. */
export interface SourceTables {
  readonly tables: readonly SourceTable[];
  readonly materializedViews: readonly string[];
  /** The triggers and rules that also fire when changes are applied, with their tables. */
  readonly alwaysFired: readonly string[];
}

/** SQL that is true for objects that an extension has made. */
const ofExtension = `EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')`;

/** Reads a schema's tables with rows, its materialized views, and triggers that would be in the way. */
export async function readTables(client: pg.Client, schema: string): Promise<SourceTables> {
  const { rows } = await client.query<SourceTable & { readonly kind: string }>(
    `SELECT relname AS name, relkind AS kind, relpersistence = 'p' AS "isLogged",
       CASE WHEN relreplident = 'f' THEN 'good'
         WHEN i.indrelid IS NULL THEN 'none'
         WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attnum = ANY (i.indkey) AND attgenerated <> '')
           THEN 'generated'
         ELSE 'good' END AS identity
     FROM pg_class c LEFT JOIN pg_index i ON indrelid = c.oid AND indislive
       AND CASE relreplident WHEN 'd' THEN indisprimary WHEN 'i' THEN indisreplident ELSE false END
     WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'm') AND NOT ${ofExtension}
     ORDER BY relname COLLATE "C"`,
    [quoteIdentifier(schema)],
  );
  const fired = await client.query<{ name: string }>(
    `SELECT name FROM (
       SELECT format('%s of %s', tgname, relname) AS name, relnamespace FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
       WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal
       UNION ALL SELECT format('%s of %s', rulename, relname), relnamespace FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class
       WHERE ev_enabled IN ('A', 'R') AND relkind IN ('r', 'p')) f
     WHERE relnamespace = $1::regnamespace ORDER BY 1`,
    [quoteIdentifier(schema)],
  );
  return {
    alwaysFired: fired.rows.map(({ name }) => name),
    tables: rows.filter(({ kind }) => kind === 'r'),
    materializedViews: rows.filter(({ kind }) => kind === 'm').map(({ name }) => name),
  };
}

/**
 * Reads a hash that changes when somebody alters the schema: PostgreSQL does not stream such changes. It is cheap enough for
 * the moment of the switch.
 */
export async function readFingerprint(client: pg.Client, schema: string): Promise<string> {
  const own = `${quoteLiteral(quoteIdentifier(schema))}::regnamespace`;
  // The transaction that wrote a row of these catalogs changes with each change of the row. Those of pg_class also change with
  // the rows of its table.
  const parts = [
    `SELECT concat_ws(' ', 'r', oid, relname, relkind, relnatts, relpersistence, relreplident, relowner) FROM pg_class WHERE relnamespace = ${own}`,
    `SELECT concat_ws(' ', 'a', attrelid, attnum, a.xmin) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = ${own} AND attnum > 0`,
    `SELECT concat_ws(' ', 'd', adrelid, adnum, d.xmin) FROM pg_attrdef d JOIN pg_class c ON c.oid = adrelid WHERE relnamespace = ${own}`,
    `SELECT concat_ws(' ', 'c', oid, xmin) FROM pg_constraint WHERE connamespace = ${own}`,
    `SELECT concat_ws(' ', 'g', tgrelid, tgname, tgenabled, t.xmin) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = ${own}`,
    `SELECT concat_ws(' ', 'p', oid, xmin) FROM pg_proc WHERE pronamespace = ${own}`,
    `SELECT concat_ws(' ', 't', oid, xmin) FROM pg_type WHERE typnamespace = ${own}`,
    `SELECT concat_ws(' ', 'e', e.oid) FROM pg_enum e JOIN pg_type t ON t.oid = enumtypid WHERE typnamespace = ${own}`,
    `SELECT concat_ws(' ', 's', seqrelid, s.xmin) FROM pg_sequence s JOIN pg_class c ON c.oid = seqrelid WHERE relnamespace = ${own}`,
    `SELECT concat_ws(' ', 'w', ev_class, w.oid) FROM pg_rewrite w JOIN pg_class c ON c.oid = ev_class WHERE relnamespace = ${own}`,
    `SELECT concat_ws(' ', 'l', polrelid, l.xmin) FROM pg_policy l JOIN pg_class c ON c.oid = polrelid WHERE relnamespace = ${own}`,
  ];
  const { rows } = await client.query<{ fingerprint: string }>(
    `SELECT encode(sha256(convert_to(coalesce(string_agg(part, E'\\n' ORDER BY part COLLATE "C"), ''), 'UTF8')), 'hex') AS fingerprint
     FROM (${parts.join(' UNION ALL ')}) parts (part)`,
  );
  return rows[0]?.fingerprint ?? '';
}
