import type pg from 'pg';

/** Does `work` in a transaction, which is rolled back if it fails. */
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

/** Rolls back, if it can be. It never rejects: the error before is what matters, and a broken connection has rolled back by itself. */
export async function rollBack(client: pg.Client): Promise<void> {
  await client.query('ROLLBACK').catch(() => undefined);
}
