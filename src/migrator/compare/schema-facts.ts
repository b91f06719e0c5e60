import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { historyTable } from '../files/history.ts';

/**
 * What a schema has: the definition of each object, by its kind and name, such as `column products.stock`. Facts of two
 * schemas are comparable, because the schema's own name is written as `public`.
 */
export type SchemaFacts = ReadonlyMap<string, string>;

/** Reads the facts about a schema's tables, columns, constraints, indexes, types, functions and extensions. */
export async function readSchemaFacts(client: pg.Client, schema: string): Promise<SchemaFacts> {
  const rows = await readInSchema<{ fact: string; definition: string }>(
    client,
    schema,
    `SELECT fact, definition FROM (${factsSql(schema)}) f ORDER BY fact COLLATE "C"`,
  );
  return new Map(rows.map(({ fact, definition }) => [fact, definition]));
}

/** A hash of a schema's facts, which PostgreSQL computes: schemas with equal facts have equal hashes. */
export async function hashSchemaFacts(client: pg.Client, schema: string): Promise<string> {
  const all = `string_agg(fact || E'\\n' || definition, E'\\n' ORDER BY fact COLLATE "C", definition COLLATE "C")`;
  const rows = await readInSchema<{ hash: string }>(
    client,
    schema,
    `SELECT encode(sha256(convert_to(coalesce(${all}, ''), 'UTF8')), 'hex') AS hash FROM (${factsSql(schema)}) f`,
  );
  return rows[0]?.hash ?? '';
}

/** How long to wait for a table that somebody else has locked, in milliseconds. */
const LOCKED_MS = 1_000;

/**
 * Reads while the schema is the search path, so that PostgreSQL writes the schema's own names without it. What writes
 * definitions waits for locks on tables.
 */
async function readInSchema<Row>(client: pg.Client, schema: string, sql: string): Promise<readonly Row[]> {
  try {
    const results: unknown = await client.query(`
      BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ${quoteIdentifier(schema)};
      SET LOCAL lock_timeout = ${LOCKED_MS}; SET LOCAL jit = off; ${sql}; COMMIT`);
    // node-postgres returns an array for several statements, which its types don't express.
    return (results as readonly pg.QueryResult<Row & pg.QueryResultRow>[]).at(-2)?.rows ?? [];
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/** @see https://www.postgresql.org/docs/current/catalogs.html */
function factsSql(schema: string): string {
  const own = quoteLiteral(schema);
  const notOfExtension = (catalog: string, oid: string) =>
    `NOT EXISTS (SELECT FROM pg_depend WHERE classid = '${catalog}'::regclass AND objid = ${oid} AND deptype = 'e')`;
  // PostgreSQL has an index of what depends on a schema, but none of the relations in it.
  const isOwn = (catalog: string, oid: string) => `own.classid = '${catalog}'::regclass AND own.objid = ${oid}`;
  // Functions are written with their schema in any case, so its name is replaced. Facts of servers with different versions are
  // comparable: only PostgreSQL 18 keeps a constraint for each NOT NULL, which the column tells too, and each version brings other
  // versions of extensions.
  return `
    WITH own AS MATERIALIZED (
      SELECT d.classid, d.objid FROM pg_namespace n
        JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid WHERE nspname = ${own}),
    relations AS MATERIALIZED (
      SELECT relname AS name, relkind AS kind, c.* FROM own JOIN pg_class c ON ${isOwn('pg_class', 'c.oid')}
      WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relname <> '${historyTable}' AND ${notOfExtension('pg_class', 'c.oid')}),
    facts (fact, definition) AS (
      SELECT 'table ' || name, concat_ws(' ', kind, relpersistence, reloptions, CASE WHEN relrowsecurity THEN 'row security' END,
        CASE WHEN relforcerowsecurity THEN 'forced' END, pg_get_expr(relpartbound, oid), obj_description(oid, 'pg_class'),
        CASE WHEN kind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
      FROM relations WHERE kind <> 'S'
      UNION ALL
      SELECT 'sequence ' || name, concat_ws(' ', format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
      FROM relations r JOIN pg_sequence s ON seqrelid = r.oid
      UNION ALL
      SELECT 'column ' || name || '.' || attname, concat_ws(' ', row_number() OVER (PARTITION BY attrelid ORDER BY attnum),
        format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END, pg_get_expr(adbin, adrelid),
        nullif(attidentity, ''), nullif(attgenerated, ''), nullif(attcollation, typcollation)::regcollation,
        col_description(attrelid, attnum))
      FROM relations r JOIN pg_attribute a ON attrelid = r.oid JOIN pg_type t ON t.oid = atttypid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE attnum > 0 AND NOT attisdropped AND kind <> 'S'
      UNION ALL
      SELECT 'constraint ' || name || '.' || conname, concat_ws(' ', pg_get_constraintdef(c.oid), CASE WHEN NOT convalidated THEN 'NOT VALID' END)
      FROM relations r JOIN pg_constraint c ON conrelid = r.oid WHERE contype <> 'n' OR NOT convalidated OR connoinherit
      UNION ALL
      SELECT 'index ' || c.relname, concat_ws(' ', pg_get_indexdef(indexrelid, 0, true), CASE WHEN NOT indisvalid THEN 'INVALID' END)
      FROM relations r JOIN pg_index ON indrelid = r.oid JOIN pg_class c ON c.oid = indexrelid
      UNION ALL
      SELECT 'trigger ' || name || '.' || tgname, concat_ws(' ', pg_get_triggerdef(t.oid, true), tgenabled)
      FROM relations r JOIN pg_trigger t ON tgrelid = r.oid WHERE NOT tgisinternal
      UNION ALL
      SELECT 'policy ' || name || '.' || polname, concat_ws(' ', polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
      FROM relations r JOIN pg_policy ON polrelid = r.oid
      UNION ALL
      SELECT 'rule ' || name || '.' || rulename, pg_get_ruledef(w.oid, true)
      FROM relations r JOIN pg_rewrite w ON ev_class = r.oid WHERE rulename <> '_RETURN'
      UNION ALL
      SELECT 'statistics ' || stxname, pg_get_statisticsobjdef(s.oid) FROM own JOIN pg_statistic_ext s ON ${isOwn('pg_statistic_ext', 's.oid')}
      UNION ALL
      SELECT 'type ' || typname, concat_ws(' ', typtype,
        (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
        CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END, CASE WHEN typnotnull THEN 'NOT NULL' END, typdefault,
        (SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), ', ' ORDER BY conname) FROM pg_constraint WHERE contypid = t.oid AND contype <> 'n'),
        (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
         FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped),
        (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = t.oid))
      FROM own JOIN pg_type t ON ${isOwn('pg_type', 't.oid')}
      WHERE (typtype IN ('e', 'd', 'r') OR typtype = 'c' AND EXISTS (SELECT FROM pg_class WHERE oid = typrelid AND relkind = 'c'))
        AND ${notOfExtension('pg_type', 't.oid')}
      UNION ALL
      SELECT 'function ' || proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
        CASE WHEN prokind = 'a' THEN concat_ws(' ', 'aggregate', aggtransfn, aggfinalfn, format_type(aggtranstype, NULL), agginitval)
          ELSE pg_get_functiondef(p.oid) END
      FROM own JOIN pg_proc p ON ${isOwn('pg_proc', 'p.oid')} LEFT JOIN pg_aggregate ON aggfnoid = p.oid
      WHERE ${notOfExtension('pg_proc', 'p.oid')}
      UNION ALL
      SELECT 'extension ' || extname, CASE WHEN extversion = (SELECT default_version FROM pg_available_extensions WHERE name = extname)
        THEN 'default version' ELSE extversion END FROM own JOIN pg_extension e ON ${isOwn('pg_extension', 'e.oid')})
    SELECT fact, replace(definition, ${own}, 'public') AS definition FROM facts`;
}
