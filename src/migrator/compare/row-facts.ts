import type pg from 'pg';
import { quoteIdentifier, quoteQualified } from '../../postgres/sql/quote.ts';
import type { SchemaFacts } from './schema-facts.ts';

/**
 * Facts about the rows of a schema's tables: `rows products` is their number, and `values products.stock` a checksum of a
 * column's values in any order. Values are compared in UTC. PostgreSQL computes them without gathering the rows.
 * @param facts the facts about the schema, which name its tables and columns
 */
export async function readRowFacts(client: pg.Client, schema: string, facts: SchemaFacts): Promise<SchemaFacts> {
  const found = new Map<string, string>();
  await client.query(`SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'`);
  try {
    for (const [table, columns] of storedTables(facts)) {
      const values = columns.map(
        (column, index) =>
          `sum(hashtextextended(${quoteIdentifier(column)}::text COLLATE "C", 0)::numeric) AS c${index}`,
      );
      const { rows } = await client.query<Record<string, string | null>>(
        `SELECT ${['count(*) AS n', ...values].join(', ')} FROM ${quoteQualified(schema, table)}`,
      );
      found.set(`rows ${table}`, `${rows[0]?.n}`);
      for (const [index, column] of columns.entries())
        found.set(`values ${table}.${column}`, `${rows[0]?.[`c${index}`]}`);
    }
  } finally {
    await client.query('RESET TIME ZONE; RESET DateStyle; RESET IntervalStyle');
  }
  return found;
}

/** Settings that a database gives its sessions. */
export async function readSettingFacts(client: pg.Client): Promise<SchemaFacts> {
  const { rows } = await client.query<{ setting: string }>(
    `SELECT unnest(setconfig) AS setting FROM pg_db_role_setting
     WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND setrole = 0`,
  );
  return new Map(
    rows.map(({ setting }) => {
      const [name = '', ...value] = setting.split('=');
      return [`setting ${name} of the database`, value.join('=')];
    }),
  );
}

/** The tables that store rows, and their columns. */
function storedTables(facts: SchemaFacts): ReadonlyMap<string, readonly string[]> {
  const tables = new Map<string, string[]>();
  for (const [fact, definition] of facts) {
    if (fact.startsWith('table ') && /^[rm] /.test(definition)) tables.set(fact.slice('table '.length), []);
  }
  for (const fact of facts.keys()) {
    if (!fact.startsWith('column ')) continue;
    const name = fact.slice('column '.length);
    // A table's name may contain a dot.
    const table = [...tables.keys()].find((each) => name.startsWith(`${each}.`));
    if (table !== undefined) tables.get(table)?.push(name.slice(table.length + 1));
  }
  return tables;
}
