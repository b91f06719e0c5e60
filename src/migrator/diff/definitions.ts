import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { rollBack } from '../../postgres/sql/transaction.ts';
import { searchPathOf } from '../files/common-schema.ts';

/**
 * The definition of each object of some tables and views, by its kind and name, such as `constraint products.price_check`.
 * Two of them are comparable if PostgreSQL worded both, or neither.
 */
export type Definitions = ReadonlyMap<string, string>;

/** Whether an object that two sides have is the same; undefined if it is unknown. */
export type Verdict = (object: string) => 'same' | 'changed' | undefined;

/** Compares two sides. */
export function verdictOn(one: Definitions, other: Definitions): Verdict {
  return (object) => {
    const [a, b] = [one.get(object), other.get(object)];
    if (a === undefined || b === undefined) return undefined;
    return a === b ? 'same' : 'changed';
  };
}

/**
 * Reads the definitions of a schema in PostgreSQL's words.
 * @param client in a transaction whose search path starts with the schema, so that names have no schema in the words
 */
export async function readDefinitions(client: pg.Client, schema: string): Promise<Definitions> {
  const { rows } = await client.query<{ object: string; definition: string }>(definitionsSql(schema));
  return new Map(rows.map(({ object, definition }) => [object, definition]));
}

/** What PostgreSQL makes of statements. */
export interface Worded {
  readonly definitions: Definitions;
  /** Whether all statements worked. Objects of the others have no definition. */
  readonly complete: boolean;
}

/** How long to wait for a lock, in milliseconds. Only a table of `common` could be locked. */
const LOCKED_MS = 1_000;

/**
 * Asks PostgreSQL how it words what statements create, in a schema that is rolled back.
 * @param client the owner's connection, outside a transaction
 * @param schema where functions and types are found that the statements use without creating them
 */
export async function wordStatements(
  client: pg.Client,
  schema: string,
  statements: readonly string[],
): Promise<Worded> {
  // Others may do so at the same time, who would wait for each other if they chose the same name.
  const own = `words_${randomBytes(6).toString('hex')}`;
  let complete = true;
  await client.query('BEGIN');
  try {
    await client.query(`
      SET LOCAL lock_timeout = ${LOCKED_MS}; CREATE SCHEMA ${quoteIdentifier(own)};
      SET LOCAL search_path = ${quoteIdentifier(own)}, ${searchPathOf(schema)}`);
    for (const statement of statements) complete = (await tryStatement(client, statement)) && complete;
    return { definitions: await readDefinitions(client, own), complete };
  } finally {
    await rollBack(client);
  }
}

/** A statement may need something that only a later migration creates. */
async function tryStatement(client: pg.Client, statement: string): Promise<boolean> {
  await client.query('SAVEPOINT statement');
  try {
    await client.query(statement);
    await client.query('RELEASE SAVEPOINT statement');
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT statement');
    return false;
  }
}

/**
 * A constraint that is not validated yet is the same: validating it is a step of its own. So is an index of a table that a
 * migration has partitioned.
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CATALOG
 */
function definitionsSql(schema: string): string {
  return `
    WITH relations AS (
      SELECT c.oid, relname AS name, relkind AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      WHERE nspname = ${quoteLiteral(schema)} AND relkind IN ('r', 'p', 'v', 'm')),
    columns AS (
      SELECT name || '.' || attname AS object, a.*, pg_get_expr(adbin, adrelid) AS expression
      FROM relations r JOIN pg_attribute a ON attrelid = r.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE attnum > 0 AND NOT attisdropped AND kind IN ('r', 'p'))
    SELECT 'constraint ' || name || '.' || conname AS object, regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '') AS definition
    FROM relations r JOIN pg_constraint c ON conrelid = r.oid WHERE contype IN ('c', 'x')
    UNION ALL
    SELECT 'index ' || name || '.' || i.relname, concat_ws(' ',
      regexp_replace(pg_get_indexdef(indexrelid, 0, true), ' ON ONLY ', ' ON '), pg_get_constraintdef(c.oid))
    FROM relations r JOIN pg_index ON indrelid = r.oid JOIN pg_class i ON i.oid = indexrelid
      LEFT JOIN pg_constraint c ON conindid = indexrelid AND conrelid = r.oid AND contype IN ('p', 'u')
    UNION ALL
    SELECT 'type ' || object, format_type(atttypid, atttypmod) FROM columns
    UNION ALL
    SELECT 'default ' || object, coalesce(expression, '') FROM columns WHERE attgenerated = ''
    UNION ALL
    SELECT 'generated ' || object, CASE WHEN attgenerated <> '' THEN concat_ws(' ', attgenerated, expression) ELSE '' END FROM columns
    UNION ALL
    SELECT 'view ' || name, concat_ws(' ', kind, pg_get_viewdef(oid)) FROM relations WHERE kind IN ('v', 'm')
    UNION ALL
    SELECT 'trigger ' || name || '.' || tgname, concat_ws(' ', pg_get_triggerdef(t.oid, true),
      CASE WHEN proname = name || '_' || tgname || '_fn' THEN prosrc END)
    FROM relations r JOIN pg_trigger t ON tgrelid = r.oid JOIN pg_proc p ON p.oid = tgfoid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'policy ' || name || '.' || polname, concat_ws(' ', polcmd, polpermissive,
      (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles WHERE pg_roles.oid = ANY (polroles)),
      pg_get_expr(polqual, polrelid), '/', pg_get_expr(polwithcheck, polrelid))
    FROM relations r JOIN pg_policy ON polrelid = r.oid`;
}
