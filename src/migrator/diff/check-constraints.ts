import type { CheckDef, SchemaDifference } from '@mikro-orm/sql';
import pg from 'pg';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import { rollBack } from '../../postgres/sql/transaction.ts';
import { searchPathOf } from '../files/common-schema.ts';
import type { TableSnapshot } from './snapshot.ts';

/** A check constraint as PostgreSQL words it, with its table's name. */
export interface EqualCheck {
  readonly table: string;
  /** The check as the entities word it. */
  readonly wanted: CheckDef;
}

/**
 * Removes check constraints from a difference that are equal except for their wording: PostgreSQL stores `stars BETWEEN
 * 1 AND 5` as `stars >= 1 AND stars <= 5`. It asks PostgreSQL for the wording, on a temporary table that is dropped
 * afterwards.
 * @param client the owner's connection, outside a transaction
 */
export async function removeEqualChecks(
  client: pg.Client,
  schema: string,
  { changedTables }: SchemaDifference,
): Promise<readonly EqualCheck[]> {
  const same: EqualCheck[] = [];
  for (const { fromTable, toTable, changedChecks } of Object.values(changedTables)) {
    for (const [name, wanted] of Object.entries(changedChecks)) {
      const found = fromTable.getCheck(name)?.definition;
      if (found === undefined || found !== (await wording(client, schema, fromTable.name, wanted))) continue;
      delete changedChecks[name];
      same.push({ table: toTable.name, wanted });
    }
  }
  return same;
}

/** A snapshot whose checks are worded as in the entities, so that they compare as equal without a database. */
export function withWording(snapshot: TableSnapshot, same: readonly EqualCheck[]): TableSnapshot {
  const tables = snapshot.tables.map((table) => {
    const worded = new Map(
      same.filter((check) => check.table === table.name).map(({ wanted }) => [wanted.name, wanted.expression]),
    );
    const checks = table.checks.map((check) => {
      const expression = worded.get(String(check.name));
      return expression === undefined ? check : { ...check, expression };
    });
    return { ...table, checks };
  });
  return { ...snapshot, tables };
}

/** Undefined if the table cannot have such a check. */
async function wording(
  client: pg.Client,
  schema: string,
  table: string,
  { expression }: CheckDef,
): Promise<string | undefined> {
  if (typeof expression !== 'string') return undefined;
  await client.query('BEGIN');
  try {
    await client.query(`
      SET LOCAL search_path = ${searchPathOf(schema)};
      CREATE TEMP TABLE wording_of_check (LIKE ${quoteIdentifier(table)}) ON COMMIT DROP;
      ALTER TABLE pg_temp.wording_of_check ADD CONSTRAINT wording CHECK (${expression})`);
    const { rows } = await client.query<{ wording: string }>(
      `SELECT pg_get_constraintdef(oid) AS wording FROM pg_constraint
       WHERE conrelid = 'pg_temp.wording_of_check'::regclass AND conname = 'wording'`,
    );
    return rows[0]?.wording;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return undefined;
    throw error;
  } finally {
    await rollBack(client);
  }
}
