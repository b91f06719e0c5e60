import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { commonSchema } from '../../migrator/files/common-schema.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';

/** The names of the schemas of tenants in a shared database, as a pattern of PostgreSQL. */
export const tenantSchemaPattern = '^tenant_[0-9a-z]{10}$';

/** An object of one schema that would be dropped together with another schema. */
export interface Dependent {
  /** The schema that it depends on. */
  readonly schema: string;
  /** What it is, as PostgreSQL names it, such as `table constraint bookings_room_fkey on tenant_x.bookings`. */
  readonly object: string;
  /** Whether it uses what an extension has made. */
  readonly isOfExtension: boolean;
}

/** An extension whose objects are in a tenant's schema. */
export interface MisplacedExtension {
  readonly name: string;
  readonly schema: string;
  /** Whether PostgreSQL can move it to another schema. */
  readonly canMove: boolean;
  /**
   * Whether the current role may. PostgreSQL makes the objects of a trusted extension as a superuser, whoever creates it, and lets only
   * their owner move them.
   */
  readonly mayMove: boolean;
  /** The current role, which owns the schema `common`. */
  readonly role: string;
}

/** The catalogs whose objects are in a schema by themselves, each with its column for that schema. */
const catalogs = [
  ['pg_class', 'relnamespace'],
  ['pg_type', 'typnamespace'],
  ['pg_proc', 'pronamespace'],
  ['pg_constraint', 'connamespace'],
  ['pg_operator', 'oprnamespace'],
  ['pg_opclass', 'opcnamespace'],
  ['pg_opfamily', 'opfnamespace'],
  ['pg_collation', 'collnamespace'],
  ['pg_conversion', 'connamespace'],
  ['pg_ts_config', 'cfgnamespace'],
  ['pg_ts_dict', 'dictnamespace'],
  ['pg_ts_parser', 'prsnamespace'],
  ['pg_ts_template', 'tmplnamespace'],
  ['pg_statistic_ext', 'stxnamespace'],
] as const;

/** The catalogs whose objects are in the schema of their table, each with its column for the table. */
const partsOfTables = [
  ['pg_attrdef', 'adrelid'],
  ['pg_rewrite', 'ev_class'],
  ['pg_trigger', 'tgrelid'],
  ['pg_policy', 'polrelid'],
] as const;

const inside = catalogs
  .map(
    ([catalog, column]) =>
      `SELECT '${catalog}'::regclass::oid AS classid, o.oid AS objid, n.nspname FROM pg_catalog.${catalog} o JOIN namespaces n ON n.oid = o.${column}`,
  )
  .join('\nUNION ALL ');

const schemaOfDependent = [
  ...catalogs.map(
    ([catalog, column]) =>
      `WHEN '${catalog}'::regclass THEN (SELECT ${column} FROM pg_catalog.${catalog} WHERE oid = d.objid)`,
  ),
  ...partsOfTables.map(
    ([catalog, column]) =>
      `WHEN '${catalog}'::regclass THEN (SELECT relnamespace FROM pg_class WHERE oid = (SELECT ${column} FROM pg_catalog.${catalog} WHERE oid = d.objid))`,
  ),
].join('\n');

/**
 * Finds objects outside the schemas of tenants that depend on an object inside: foreign keys, columns of a type, defaults,
 * views, policies and the like. Dropping the schema would drop them too. It doesn't find what the bodies of functions name,
 * because PostgreSQL doesn't know that either.
 * @param schema one tenant's schema; without it, those of all tenants
 * @see https://www.postgresql.org/docs/current/catalog-pg-depend.html
 */
export async function findDependents(client: pg.Client, schema?: string): Promise<readonly Dependent[]> {
  const { rows } = await client.query<Dependent>(
    `WITH namespaces AS MATERIALIZED (
       SELECT oid, nspname FROM pg_namespace WHERE nspname = $1 OR $1 IS NULL AND nspname ~ '${tenantSchemaPattern}'),
     inside AS (${inside}),
     found AS (
       SELECT DISTINCT i.nspname AS schema, d.classid, d.objid, d.objsubid, EXISTS (
           SELECT FROM pg_depend e WHERE e.classid = i.classid AND e.objid = i.objid AND e.deptype = 'e') AS of_extension,
         CASE d.classid ${schemaOfDependent} END AS namespace
       FROM inside i JOIN pg_depend d ON d.refclassid = i.classid AND d.refobjid = i.objid)
     SELECT f.schema, format('%s %s', o.type, o.identity) AS object, bool_and(of_extension) AS "isOfExtension"
     FROM found f JOIN pg_namespace n ON n.oid = f.namespace, pg_identify_object(f.classid, f.objid, f.objsubid) o
     WHERE n.nspname <> f.schema AND n.nspname !~ '^pg_(toast|temp)'
       -- The triggers of foreign keys, which are listed themselves.
       AND NOT EXISTS (SELECT FROM pg_trigger WHERE f.classid = 'pg_trigger'::regclass AND oid = f.objid AND tgisinternal)
     GROUP BY 1, 2 ORDER BY 1, 2`,
    [schema ?? null],
  );
  return rows;
}

/**
 * Finds extensions in the schemas of tenants.
 * @param schema one schema; without it, those of all tenants in a shared database
 */
export async function findMisplacedExtensions(
  client: pg.Client,
  schema?: string,
): Promise<readonly MisplacedExtension[]> {
  const { rows } = await client.query<MisplacedExtension>(
    `SELECT extname AS name, nspname AS schema, extrelocatable AS "canMove", current_user AS role,
       pg_has_role(extowner, 'USAGE') AND NOT EXISTS (
       SELECT FROM pg_depend d LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
         LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
       WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
         AND NOT pg_has_role(coalesce(proowner, typowner), 'USAGE')) AS "mayMove"
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE nspname = $1 OR $1 IS NULL AND nspname ~ '${tenantSchemaPattern}' ORDER BY extname`,
    [schema ?? null],
  );
  return rows;
}

/**
 * SQL that moves extensions to `common`, which must exist. Whatever uses them goes on using them.
 * @see https://www.postgresql.org/docs/current/sql-alterextension.html
 */
export function moveExtensionsSql(extensions: readonly MisplacedExtension[]): string {
  return extensions.map(({ name }) => `ALTER EXTENSION ${quoteIdentifier(name)} SET SCHEMA ${commonSchema};`).join(' ');
}

/**
 * Moves those of the extensions to `common`, which must exist, that PostgreSQL can move.
 * @param client the owner's connection
 * @throws {AppError} CONFLICT if only a superuser may move one of them; nothing is changed then
 */
export async function moveExtensions(client: pg.Client, extensions: readonly MisplacedExtension[]): Promise<void> {
  const movable = extensions.filter(({ canMove }) => canMove);
  const foreign = movable.filter(({ mayMove }) => !mayMove);
  if (foreign.length > 0) {
    const names = foreign.map(({ name, schema }) => `${name} (in the schema ${schema})`).join(', ');
    throw new AppError(
      'CONFLICT',
      `PostgreSQL lets only a superuser move these extensions to the schema ${commonSchema}: ${names}. Let one run in the database ${client.database}: ${superuserMovesSql(foreign)}`,
    );
  }
  if (movable.length > 0) await client.query(moveExtensionsSql(movable));
}

/** What a superuser runs in place of the current role, also where `common` does not exist yet. */
export function superuserMovesSql(extensions: readonly MisplacedExtension[]): string {
  const create = `CREATE SCHEMA IF NOT EXISTS ${commonSchema} AUTHORIZATION ${quoteIdentifier(extensions[0]?.role ?? '')};`;
  return `${create} ${moveExtensionsSql(extensions)}`;
}
