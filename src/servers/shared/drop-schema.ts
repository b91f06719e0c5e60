import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import type { Pool } from '../../postgres/pool/pool.ts';
import { lockKind, transactionLockSql } from '../../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { OTHERS_WAIT_MS } from '../../routing/placement-lock.ts';
import { createCommonSql } from './common-line.ts';
import { findDependents, findMisplacedExtensions, moveExtensions } from './schema-dependents.ts';

/** The number of objects dropped in one transaction. A table takes about ten locks: its types, its indexes and itself. */
const PORTION = 25;

/** The maximum number of objects that a message names. */
const NAMED = 5;

/**
 * Makes sure that dropping a tenant's schema drops nothing of others. Extensions in it are moved to `common` before.
 * @param client the owner's connection to the shared database, outside a transaction
 * @param readers the group role that may use `common`
 * @throws {AppError} CONFLICT, naming what depends on the schema
 */
export async function releaseSchema(client: pg.Client, schema: string, readers: string): Promise<void> {
  const extensions = await findMisplacedExtensions(client, schema);
  if (extensions.some(({ canMove }) => canMove)) {
    await inTransaction(client, async () => {
      await client.query(await createCommonSql(client, readers));
      await moveExtensions(client, extensions);
    });
  }
  const dependents = await findDependents(client, schema);
  if (dependents.length === 0) return;
  const names = dependents.slice(0, NAMED).map(({ object }) => object);
  const more = dependents.length > NAMED ? ` and ${dependents.length - NAMED} more` : '';
  throw new AppError(
    'CONFLICT',
    `The schema ${schema} cannot be dropped, because objects of others depend on it: ${names.join(', ')}${more}. Drop them, or let them use an object of the schema common instead.`,
    { details: { dependents: dependents.map(({ object }) => object) } },
  );
}

/**
 * Drops a schema of any size, and does nothing if it doesn't exist. Its tables are dropped some at a time, each time in a
 * transaction of its own: PostgreSQL keeps the locks of a transaction in a table that all sessions share, and a schema of
 * thousands of tables would fill it. If it is interrupted, the next call goes on.
 * @see https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION
 */
export async function dropSchema(shared: Pool, schema: string, trailingSql: string): Promise<void> {
  const locked = `SET LOCAL lock_timeout = ${OTHERS_WAIT_MS}; ${transactionLockSql(lockKind.migrate, schema)}`;
  let portion = PORTION;
  for (let rest = true; rest; ) {
    try {
      rest = await shared.use((client) => dropPortion(client, schema, portion, locked));
    } catch (error) {
      if (sqlStateOf(error) !== sqlState.outOfMemory || portion === 1) throw error;
      // Others need the table of locks now, or these objects have many dependents.
      portion = Math.ceil(portion / 4);
    }
  }
  await shared.use((client) =>
    client.query(`${locked} DROP SCHEMA IF EXISTS ${quoteIdentifier(schema)} CASCADE; ${trailingSql}`),
  );
}

/** @returns whether there may be more */
async function dropPortion(client: pg.Client, schema: string, count: number, locked: string): Promise<boolean> {
  const { rows } = await client.query<{ sql: string }>(droppableSql(schema, count));
  if (rows.length === 0) return false;
  // One message is one transaction.
  await client.query(`${locked} ${rows.map(({ sql }) => sql).join(' ')}`);
  return true;
}

/**
 * The statements that drop some of a schema's objects. Partitions come before their tables, so that no statement has to drop
 * thousands of them. What an extension has made stays, because the extension goes with the schema.
 */
function droppableSql(schema: string, count: number): string {
  const isMember = (catalog: string) =>
    `EXISTS (SELECT FROM pg_depend WHERE classid = '${catalog}'::regclass AND objid = o.oid AND deptype IN ('e', 'i'))`;
  return `
    SELECT format('DROP %s IF EXISTS %s CASCADE;', kind, name) AS sql FROM (
      SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
          WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind,
        format('%I.%I', ${quoteLiteral(schema)}, relname) AS name, CASE WHEN relispartition THEN 0 WHEN relkind = 'S' THEN 2 ELSE 1 END AS rank
      FROM pg_class o WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = ${quoteLiteral(schema)})
        AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND (relispartition OR NOT ${isMember('pg_class')})
      UNION ALL
      SELECT 'ROUTINE', oid::regprocedure::text, 3
      FROM pg_proc o WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = ${quoteLiteral(schema)})
        AND NOT ${isMember('pg_proc')}) objects
    ORDER BY rank, name LIMIT ${count}`;
}
