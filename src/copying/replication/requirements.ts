import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { shortList } from '../../lib/short-list.ts';
import { readTables, type SourceTable } from './source-tables.ts';

/** The end of each message: what always works. */
const WITHOUT =
  'Or move the tenant offline, without `--online` or with online: false, which takes it out of service while its rows are copied.';

/**
 * Checks whether a schema's changes can be streamed from its server. It changes nothing.
 * @param slot the slot that the move may have already; then it needs no other one
 * @returns the tables with rows
 * @throws {AppError} CONFLICT with the first reason against it, and what to do
 * @see https://www.postgresql.org/docs/current/logical-replication-config.html
 */
export async function checkSource(client: pg.Client, schema: string, slot: string): Promise<readonly SourceTable[]> {
  const server = serverObstacle(await readServer(client, slot));
  if (server) throw refusal(server);
  const { tables, materializedViews, alwaysFired } = await readTables(client, schema);
  const obstacle = tablesObstacle(tables) ?? viewsObstacle(materializedViews) ?? triggersObstacle(alwaysFired);
  if (obstacle) throw refusal(obstacle);
  return tables;
}

/**
 * Checks whether this role may apply changes at the target.
 * @throws {AppError} CONFLICT
 * @see https://www.postgresql.org/docs/current/ddl-priv.html
 */
export async function checkTarget(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ role: string; mayApply: boolean }>(
    `SELECT current_user AS role, has_parameter_privilege('session_replication_role', 'SET') AS "mayApply"`,
  );
  const [found] = rows;
  if (found && !found.mayApply) {
    throw refusal(
      `The role ${found.role} may not switch off triggers and foreign keys at the target while changes are applied. Run there as a superuser: GRANT SET ON PARAMETER session_replication_role TO ${found.role}.`,
    );
  }
}

interface ServerFacts {
  readonly walLevel: string;
  readonly mayReplicate: boolean;
  readonly role: string;
  readonly slots: number;
  readonly maxSlots: number;
  readonly senders: number;
  readonly maxSenders: number;
}

async function readServer(client: pg.Client, slot: string): Promise<ServerFacts> {
  const { rows } = await client.query<ServerFacts>(
    // Amazon RDS has a role of its own for it.
    `SELECT current_setting('wal_level') AS "walLevel", current_user AS role,
       EXISTS (SELECT FROM pg_roles r WHERE rolname = current_user AND (rolsuper OR rolreplication))
         OR EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication' AND pg_has_role(oid, 'MEMBER')) AS "mayReplicate",
       (SELECT count(*)::int FROM pg_replication_slots WHERE slot_name <> $1) AS slots,
       current_setting('max_replication_slots')::int AS "maxSlots",
       (SELECT count(*)::int FROM pg_stat_replication WHERE pid NOT IN (
         SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL)) AS senders,
       current_setting('max_wal_senders')::int AS "maxSenders"`,
    [slot],
  );
  const [facts] = rows;
  if (!facts) throw new Error('PostgreSQL returned no facts about itself');
  return facts;
}

function serverObstacle(facts: ServerFacts): string | undefined {
  const { walLevel, mayReplicate, role, slots, maxSlots, senders, maxSenders } = facts;
  if (walLevel !== 'logical')
    return `The tenant's server has wal_level = ${walLevel}, but moving online needs "logical". Set wal_level = logical there and restart PostgreSQL.`;
  if (!mayReplicate)
    return `The role ${role} may not replicate on the tenant's server. Run there as a superuser: ALTER ROLE ${role} REPLICATION.`;
  if (slots >= maxSlots)
    return `All ${maxSlots} replication slots of the tenant's server are in use. Drop those that nobody needs, or raise max_replication_slots there and restart PostgreSQL.`;
  if (senders >= maxSenders)
    return `All ${maxSenders} replication connections of the tenant's server are in use. Raise max_wal_senders there and restart PostgreSQL.`;
  return undefined;
}

function tablesObstacle(tables: readonly SourceTable[]): string | undefined {
  const named = (which: (table: SourceTable) => boolean) => {
    const names = tables.filter(which).map(({ name }) => name);
    return names.length > 0 ? shortList(names, 5) : undefined;
  };
  const unlogged = named(({ isLogged }) => !isLogged);
  if (unlogged)
    return `PostgreSQL does not log the changes of unlogged tables: ${unlogged}. Use ALTER TABLE … SET LOGGED for each.`;
  const anonymous = named(({ identity }) => identity === 'none');
  if (anonymous)
    return `These tables have neither a primary key nor another replica identity, so their updates could not be repeated at the target: ${anonymous}. Add a primary key, or use ALTER TABLE … REPLICA IDENTITY FULL for each.`;
  const generated = named(({ identity }) => identity === 'generated');
  if (generated)
    return `PostgreSQL does not replicate generated columns, and these tables have one in their primary key or replica identity: ${generated}. Give each another one with ALTER TABLE … REPLICA IDENTITY.`;
  return undefined;
}

function viewsObstacle(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  return `PostgreSQL does not replicate materialized views: ${shortList(names, 5)}.`;
}

function triggersObstacle(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  return `These triggers and rules would also fire at the target, for changes that they have made already: ${shortList(names, 5)}. Use ALTER TABLE … ENABLE TRIGGER, instead of ENABLE ALWAYS or ENABLE REPLICA, for each.`;
}

function refusal(reason: string): AppError {
  return new AppError('CONFLICT', `${reason} ${WITHOUT}`);
}
