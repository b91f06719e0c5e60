import type pg from 'pg';
import { moveOfSlot } from '../copying/replication/slot.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/sql/quote.ts';
import { howToFix, type Leftover } from './leftover.ts';

/** The transfers of the catalog, by their ids: whether each has ended. */
export type KnownTransfers = ReadonlyMap<string, boolean>;

/** @param client a connection to `auth` */
export async function readTransfers(client: pg.Client): Promise<KnownTransfers> {
  const { rows } = await client.query<{ id: string; ended: boolean }>(
    `SELECT id, ended_at IS NOT NULL AS ended FROM tenant_transfers WHERE online`,
  );
  return new Map(rows.map(({ id, ended }) => [id, ended]));
}

/**
 * Finds replication slots of moves that have ended. PostgreSQL keeps its log for a slot until its disk is full. A slot of an
 * unknown move is a leftover only in a database of this installation, because others may use the server too.
 * @param databases those of this installation on the server
 */
export async function findOrphanedSlots(
  server: PostgresServer,
  transfers: KnownTransfers,
  databases: ReadonlySet<string>,
): Promise<Leftover[]> {
  const { rows } = await server.admin((admin) =>
    admin.query<{ name: string; database: string }>(
      `SELECT slot_name AS name, database FROM pg_replication_slots WHERE slot_name LIKE 'tenantry\\_move\\_%' ORDER BY 1`,
    ),
  );
  return rows.flatMap(({ name, database }) => {
    const move = moveOfSlot(name);
    const hasEnded = move === undefined ? undefined : transfers.get(move);
    if (move === undefined || !(hasEnded ?? databases.has(database))) return [];
    return [
      {
        message: `The replication slot ${name} in the database ${database} on the server ${server.name} belongs to no move in progress, so the server keeps its log for nothing`,
        remedy: howToFix,
        fix: {
          server: server.name,
          databases: [database],
          sql: `
            SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = ${quoteLiteral(name)} AND active_pid IS NOT NULL;
            DROP PUBLICATION IF EXISTS ${quoteIdentifier(name)};
            SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = ${quoteLiteral(name)}`,
        },
      },
    ];
  });
}
