import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { refuseLargeObjects } from '../large-objects.ts';
import type { CopyPlace } from '../place.ts';
import { readSequences, type SequenceState, setSequences } from '../sequences.ts';
import { dropPositionSql } from './position-table.ts';
import { readFingerprint } from './source-tables.ts';

/**
 * Reads what PostgreSQL does not stream, once nobody can write at the source.
 * @param fingerprint that of the schema when its rows were copied
 * @throws {AppError} CONFLICT if the schema was altered since, a prepared transaction may still change its rows, or there are
 *   large objects
 */
export async function readFinalFacts(
  client: pg.Client,
  place: CopyPlace,
  fingerprint: string,
): Promise<readonly SequenceState[]> {
  const { schema } = place;
  if ((await readFingerprint(client, schema)) !== fingerprint) {
    throw new AppError(
      'CONFLICT',
      'Somebody has altered tables, functions or other parts of the tenant while it was moved, and PostgreSQL does not stream such changes. Start the move again, and alter nothing until it has ended.',
    );
  }
  await refusePrepared(client);
  // Somebody may have made some since the copy began.
  await refuseLargeObjects({ client, place });
  return readSequences(client, schema);
}

/** @see https://www.postgresql.org/docs/current/sql-prepare-transaction.html */
async function refusePrepared(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ gid: string }>(
    'SELECT gid FROM pg_prepared_xacts WHERE database = current_database() LIMIT 1',
  );
  if (!rows[0]) return;
  throw new AppError(
    'CONFLICT',
    `The prepared transaction ${rows[0].gid} may still change the tenant's rows. Commit it or roll it back, then start the move again.`,
  );
}

/** Makes the target ready to serve: sets its sequences and drops the position. */
export async function finishTarget(client: pg.Client, schema: string, values: readonly SequenceState[]): Promise<void> {
  await inTransaction(client, async () => {
    await setSequences(client, schema, values);
    await client.query(dropPositionSql(schema));
  });
}
