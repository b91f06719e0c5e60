import type pg from 'pg';
import { prepareSession } from '../session.ts';

/**
 * Prepares a session of the target that applies changes. Triggers, rules and foreign keys have done their work at the source, whose
 * changes include theirs.
 * @see https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE
 */
export async function applyAsReplica(client: pg.Client, schema: string): Promise<void> {
  await prepareSession(client, schema);
  await client.query('SET session_replication_role = replica; SET standard_conforming_strings = on');
}
