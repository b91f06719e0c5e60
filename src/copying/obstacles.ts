import type pg from 'pg';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../postgres/sql/quote.ts';
import { portionsOf } from './together.ts';

/** How many statements that lock tables share a transaction. */
const PORTION = 50;

/** The tables of the target that a copy changes. */
export interface ChangedTables {
  /** Those whose rows are removed. */
  readonly emptied: ReadonlySet<string>;
  /** Those that get rows. */
  readonly filled: ReadonlySet<string>;
}

interface Constraint {
  /** The table; null for a constraint of a domain. */
  readonly table: string | null;
  readonly domain: string | null;
  readonly name: string;
  readonly type: string;
  readonly definition: string;
  readonly comment: string | null;
  readonly isValid: boolean;
  /** The table that a foreign key refers to; null if it is in another schema. */
  readonly refersTo: string | null;
  /** Whether it is of a partitioned table. */
  readonly isPartitioned: boolean;
}

interface Trigger {
  readonly table: string;
  readonly name: string;
  readonly state: 'O' | 'A';
}

/** A name that PostgreSQL gave to a partition's own constraint. */
interface PartNames {
  readonly table: string;
  readonly name: string;
  /** The constraint that it is a part of, and the table that it refers to. */
  readonly key: string;
}

/** What was removed. */
export interface TakenDown {
  readonly constraints: readonly Constraint[];
  readonly triggers: readonly Trigger[];
  readonly names: readonly PartNames[];
}

/**
 * Removes what would refuse rows that the source has, or change them: foreign keys, because tables are copied in any order;
 * constraints that existing rows need not satisfy; and triggers. Foreign keys to other schemas stay, because what they refer to is
 * there, and dropping them would lock tables that others use.
 */
export async function takeDown(client: pg.Client, schema: string, changed: ChangedTables): Promise<TakenDown> {
  const all = await client.query<Constraint>(constraintsSql(schema));
  const constraints = all.rows.filter((constraint) => stands(constraint, changed));
  const parts = constraints.some(({ type }) => type === 'f') ? await readPartNames(client, schema) : [];
  const ours = new Set(constraints.map(({ table, name }) => `${table} ${name}`));
  const triggers = (await client.query<Trigger>(triggersSql(schema))).rows.filter(
    ({ table }) => changed.filled.has(table) || changed.emptied.has(table),
  );
  await inPortions(client, [
    ...constraints.map(
      (constraint) => `${alterSql(schema, constraint)} DROP CONSTRAINT ${quoteIdentifier(constraint.name)}`,
    ),
    ...triggers.map(({ table, name }) => `${onlyTableSql(schema, table)} DISABLE TRIGGER ${quoteIdentifier(name)}`),
  ]);
  return { constraints, triggers, names: parts.filter(({ key }) => ours.has(key.slice(0, key.indexOf('\n')))) };
}

/**
 * Puts back what was removed. Foreign keys of ordinary tables are not valid yet.
 * @returns statements that validate them, which may run at the same time
 */
export async function putBack(client: pg.Client, schema: string, taken: TakenDown): Promise<readonly string[]> {
  const later = new Set(
    taken.constraints.filter(({ type, isValid, isPartitioned }) => type === 'f' && isValid && !isPartitioned),
  );
  await inPortions(client, [
    ...taken.triggers.map(
      ({ table, name, state }) =>
        `${onlyTableSql(schema, table)} ENABLE ${state === 'A' ? 'ALWAYS ' : ''}TRIGGER ${quoteIdentifier(name)}`,
    ),
    ...taken.constraints.flatMap((constraint) => {
      const { name, definition, comment } = constraint;
      const add = `${alterSql(schema, constraint)} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`;
      return [
        later.has(constraint) ? `${add} NOT VALID` : add,
        ...(comment === null
          ? []
          : [
              `COMMENT ON CONSTRAINT ${quoteIdentifier(name)} ON ${objectSql(schema, constraint)} IS ${quoteLiteral(comment)}`,
            ]),
      ];
    }),
  ]);
  await restorePartNames(client, schema, taken.names);
  return [...later].map(
    (constraint) => `${alterSql(schema, constraint)} VALIDATE CONSTRAINT ${quoteIdentifier(constraint.name)}`,
  );
}

function stands({ table, type, isValid, refersTo }: Constraint, { emptied, filled }: ChangedTables): boolean {
  // What does not hold for all rows of a table may be inherited by another one.
  if (table === null || type !== 'f') return true;
  if (refersTo === null) return !isValid && filled.has(table);
  return filled.has(table) || emptied.has(table) || emptied.has(refersTo);
}

/** In a block, because for some statements Citus would send the text of the whole message to its node. */
async function inPortions(client: pg.Client, statements: readonly string[]): Promise<void> {
  for (const portion of portionsOf(statements, PORTION)) {
    const body = portion.map((sql) => `EXECUTE ${quoteLiteral(sql)};`).join(' ');
    await client.query(`DO ${quoteLiteral(`BEGIN ${body} END`)}`);
  }
}

/** Gives parts of re-created constraints the names that they had: PostgreSQL may choose others, or number them otherwise. */
async function restorePartNames(client: pg.Client, schema: string, wanted: readonly PartNames[]): Promise<void> {
  if (wanted.length === 0) return;
  const has = new Map((await readPartNames(client, schema)).map(({ table, name, key }) => [`${table}\n${key}`, name]));
  const renames = wanted.flatMap(({ table, name, key }) => {
    const now = has.get(`${table}\n${key}`);
    return now === undefined || now === name ? [] : [{ table, name, now }];
  });
  const rename = (table: string, one: string, other: string) =>
    `ALTER TABLE ${quoteQualified(schema, table)} RENAME CONSTRAINT ${quoteIdentifier(one)} TO ${quoteIdentifier(other)}`;
  await inPortions(client, [
    // They may have each other's names.
    ...renames.map(({ table, now }, index) => rename(table, now, `tenantry_copy_${index}`)),
    ...renames.map(({ table, name }, index) => rename(table, `tenantry_copy_${index}`, name)),
  ]);
}

async function readPartNames(client: pg.Client, schema: string): Promise<readonly PartNames[]> {
  const { rows } = await client.query<PartNames>(`
    WITH RECURSIVE parts AS (
      SELECT oid AS root, oid FROM pg_constraint WHERE connamespace = ${namespaceSql(schema)} AND contype = 'f' AND conparentid = 0
      UNION ALL SELECT root, c.oid FROM parts JOIN pg_constraint c ON conparentid = parts.oid)
    SELECT t.relname AS table, c.conname AS name, concat(rt.relname, ' ', r.conname, E'\\n', c.confrelid::regclass) AS key
    FROM parts JOIN pg_constraint c ON c.oid = parts.oid JOIN pg_constraint r ON r.oid = root
      JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class rt ON rt.oid = r.conrelid
    WHERE root <> parts.oid`);
  return rows;
}

function constraintsSql(schema: string): string {
  return `
    SELECT t.relname AS table, d.typname AS domain, conname AS name, contype AS type, pg_get_constraintdef(c.oid) AS definition,
      obj_description(c.oid, 'pg_constraint') AS comment, convalidated AS "isValid", r.relname AS "refersTo",
      coalesce(t.relkind = 'p' OR other.relkind = 'p', false) AS "isPartitioned"
    FROM pg_constraint c LEFT JOIN pg_class t ON t.oid = conrelid LEFT JOIN pg_type d ON d.oid = contypid
      LEFT JOIN pg_class other ON other.oid = confrelid
      LEFT JOIN pg_class r ON r.oid = confrelid AND r.relnamespace = c.connamespace
    WHERE connamespace = ${namespaceSql(schema)} AND conparentid = 0
      AND (contype = 'f' OR contype IN ('c', 'n') AND NOT convalidated AND coninhcount = 0)
    ORDER BY c.oid`;
}

/** Triggers that fire in an ordinary session. PostgreSQL's own, such as those of foreign keys, go with their constraints. */
function triggersSql(schema: string): string {
  return `
    SELECT relname AS table, tgname AS name, tgenabled AS state FROM pg_trigger JOIN pg_class t ON t.oid = tgrelid
    WHERE relnamespace = ${namespaceSql(schema)} AND relkind = 'r' AND NOT tgisinternal AND tgenabled IN ('O', 'A')`;
}

function namespaceSql(schema: string): string {
  return `${quoteLiteral(quoteIdentifier(schema))}::regnamespace`;
}

function onlyTableSql(schema: string, table: string): string {
  return `ALTER TABLE ONLY ${quoteQualified(schema, table)}`;
}

function alterSql(schema: string, { table, domain }: Constraint): string {
  return table === null
    ? `ALTER DOMAIN ${quoteQualified(schema, domain ?? '')}`
    : `ALTER TABLE ${quoteQualified(schema, table)}`;
}

function objectSql(schema: string, { table, domain }: Constraint): string {
  return table === null ? `DOMAIN ${quoteQualified(schema, domain ?? '')}` : quoteQualified(schema, table);
}
