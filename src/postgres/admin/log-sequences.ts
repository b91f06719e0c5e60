import type pg from 'pg';

/**
 * Makes the next number of each sequence reach the write-ahead log. PostgreSQL logs 32 numbers ahead, and a database that was copied
 * with STRATEGY WAL_LOG counts on what was logged for its original: until the next checkpoint it would log none of its own. After a
 * crash or on a replica, the sequence would then give the same numbers again.
 * @param client the owner's connection to the copy, or to a template of copies
 * @see https://www.postgresql.org/docs/current/functions-sequence.html
 */
export async function logSequences(client: pg.Client): Promise<void> {
  // A sequence that has given no number yet logs the first one in any case.
  await client.query(`
    SELECT setval(seqrelid, last, true) FROM pg_sequence, pg_sequence_last_value(seqrelid) AS last WHERE last IS NOT NULL`);
}
