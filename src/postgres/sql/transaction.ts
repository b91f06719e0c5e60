import type pg from 'pg';

/** Runs `work` in a transaction, which is rolled back if `work` fails. */
export async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await rollBack(client);
    throw error;
  }
}

/** Rolls back. Never rejects: the original error is what matters, and PostgreSQL rolls back when a connection breaks. */
export async function rollBack(client: pg.Client): Promise<void> {
  await client.query('ROLLBACK').catch(() => undefined);
}
