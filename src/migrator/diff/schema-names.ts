/** The schema of tables outside tenants' schemas. MikroORM writes most of their names without it. */
export const PLAIN = 'public';

/** Literals, bodies of functions, quoted names and, in the first group, what MikroORM writes for an entity's schema. */
const texts =
  /("(?:public|\*)"\.|(?<![\w".$])public\.(?=[\w"]))|'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\2\$|"(?:[^"]|"")*"/g;

/** MikroORM's placeholder for the schema of an entity with `schema: '*'`, which it leaves in some statements. */
const placeholder = /("\*"\.)|'(?:[^']|'')*'|"(?:[^"]|"")*"/g;

/**
 * Removes MikroORM's names of the schema from a statement, so that it works in any schema. It writes `public` in names of
 * enum types and in indexes on expressions, and `*` when it drops an enum type.
 */
export function withoutSchema(statement: string): string {
  return statement.replace(texts, (text, schema: string | undefined) => (schema === undefined ? text : ''));
}

/** Writes a schema, which is quoted, where MikroORM left its placeholder. */
export function inSchema(statement: string, quoted: string): string {
  return statement.replace(placeholder, (text, found: string | undefined) =>
    found === undefined ? text : `${quoted}.`,
  );
}
