import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isTransient, sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { quoteIdentifier, quoteQualified } from '../../postgres/sql/quote.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import type { SourcePlace } from '../place.ts';
import { type Lsn, parseLsn } from './lsn.ts';

const prefix = 'tenantry_move_';

/** Returns the name of a move's replication slot and publication. */
export function slotName(moveId: string): string {
  return `${prefix}${moveId.replaceAll('-', '')}`;
}

/** Returns the id of the move whose slot or publication has this name; undefined if no move made it. */
export function moveOfSlot(name: string): string | undefined {
  const [, ...parts] = /^tenantry_move_(\w{8})(\w{4})(\w{4})(\w{4})(\w{12})$/.exec(name) ?? [];
  return parts.length > 0 ? parts.join('-') : undefined;
}

/** A slot that was created, and the state of the database when its changes begin. */
export interface CreatedSlot {
  readonly position: Lsn;
  /** The name of an exported snapshot that sees exactly what was committed before. */
  readonly snapshot: string;
}

/** Tables are published in portions, because each is locked until the transaction ends. */
const TABLES_AT_ONCE = 500;
/** How long publishing waits for a table that somebody alters, in milliseconds. */
const LOCK_MS = 2_000;
const TRIES = 5;

/**
 * Publishes the changes of tables.
 * @param tables names in the place's schema
 */
export async function publish(
  client: pg.Client,
  name: string,
  schema: string,
  tables: readonly string[],
): Promise<void> {
  const publication = quoteIdentifier(name);
  await client.query(`CREATE PUBLICATION ${publication}`);
  for (let from = 0; from < tables.length; from += TABLES_AT_ONCE) {
    const portion = tables.slice(from, from + TABLES_AT_ONCE).map((table) => quoteQualified(schema, table));
    await addTables(client, `ALTER PUBLICATION ${publication} ADD TABLE ONLY ${portion.join(', ONLY ')}`);
  }
}

async function addTables(client: pg.Client, sql: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await inTransaction(client, () => client.query(`SET LOCAL lock_timeout = ${LOCK_MS}; ${sql}`));
      return;
    } catch (error) {
      if (attempt >= TRIES || !isTransient(error)) throw error;
    }
  }
}

/**
 * Creates a replication slot and runs `work` while its snapshot can be imported. PostgreSQL first waits for the transactions that
 * are running on the server to end.
 * @param options `temporary` for a slot that goes with the connection
 * @see https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-CREATE-REPLICATION-SLOT
 */
export async function withNewSlot<T>(
  source: SourcePlace,
  name: string,
  { temporary = false, signal }: { readonly temporary?: boolean; readonly signal: AbortSignal },
  work: (slot: CreatedSlot) => Promise<T>,
): Promise<T> {
  return source.replicate(async (client) => {
    const { rows } = await client.query<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} ${temporary ? 'TEMPORARY ' : ''}LOGICAL pgoutput (SNAPSHOT 'export')`,
    );
    const [slot] = rows;
    if (!slot) throw new Error('PostgreSQL created no replication slot');
    return work({ position: parseLsn(slot.consistent_point), snapshot: slot.snapshot_name });
  }, signal);
}

/** How a slot is: `lost` if PostgreSQL no longer has the changes that it needs. */
export interface SlotState {
  readonly isLost: boolean;
  /** How much of the log PostgreSQL keeps for it, in bytes. */
  readonly keptBytes: number;
}

/** Reads the state of a slot; undefined if it does not exist. */
export async function readSlot(client: pg.Client, name: string): Promise<SlotState | undefined> {
  const { rows } = await client.query<{ isLost: boolean; keptBytes: number }>(
    `SELECT coalesce(wal_status = 'lost', false) AS "isLost",
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::float8 AS "keptBytes"
     FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  return rows[0];
}

/** How long to wait for a session that uses the slot to end, in milliseconds. */
const END_MS = 5_000;

/** Ends the session that streams a slot's changes: that of a process that has died or lost its claim. */
export async function freeSlot(client: pg.Client, name: string): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(active_pid, ${END_MS}) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL`,
    [name],
  );
}

/** Drops a move's slot and publication if they exist. Without that, PostgreSQL would keep its log forever. */
export async function dropSlot(client: pg.Client, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await freeSlot(client, name);
      await client.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()`,
        [name],
      );
      break;
    } catch (error) {
      // Somebody else has dropped it meanwhile.
      if (sqlStateOf(error) === sqlState.undefinedObject) break;
      // It is created or used at this moment.
      if (attempt >= TRIES || !isTransient(error)) throw error;
      await sleep(200);
    }
  }
  await client.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(name)}`);
}

/** A slot or publication of a move in a database. */
export interface FoundSlot {
  readonly name: string;
  readonly moveId: string;
}

/** Finds the slots and publications of moves in the connection's database. */
export async function findSlots(client: pg.Client): Promise<readonly FoundSlot[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT slot_name::text AS name FROM pg_replication_slots WHERE database = current_database() AND starts_with(slot_name, $1)
     UNION SELECT pubname::text FROM pg_publication WHERE starts_with(pubname, $1) ORDER BY name`,
    [prefix],
  );
  return rows.flatMap(({ name }) => {
    const moveId = moveOfSlot(name);
    return moveId === undefined ? [] : [{ name, moveId }];
  });
}
