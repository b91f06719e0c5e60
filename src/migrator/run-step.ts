import type { SqlEntityManager } from '@mikro-orm/sql';
import pg from 'pg';
import type { LentClient } from '../postgres/connection-budget.ts';
import { createEntityDatabases } from '../postgres/entity-databases.ts';
import type { Direction, MigrationFile } from './migration-files.ts';

/**
 * Runs what a migration does, inside the transaction that is open on the connection.
 * @throws {Error} naming the statement that failed, where that can be told
 */
export async function runStep(client: pg.Client, step: MigrationFile, direction: Direction): Promise<void> {
  const statements = direction === 'up' ? step.statements : step.downStatements;
  if (statements) await sendTogether(client, statements);
  else await runWithEntityManager(client, step, direction);
}

/** Sends all statements in one round trip. */
async function sendTogether(client: pg.Client, statements: readonly string[]): Promise<void> {
  let finished = 0;
  const count = () => {
    finished += 1;
  };
  client.connection.on('commandComplete', count);
  try {
    // A line of its own for the semicolon, since a statement may end with a comment.
    if (statements.length > 0) await client.query(statements.join('\n;\n'));
  } catch (error) {
    throw withStatement(error, statements[finished]);
  } finally {
    client.connection.off('commandComplete', count);
  }
}

function withStatement(error: unknown, statement: string | undefined): unknown {
  if (!(error instanceof pg.DatabaseError) || statement === undefined) return error;
  const text = statement.replace(/\s+/g, ' ').trim();
  // What the failing row contains is the tenant's own business.
  const detail = error.detail && !error.detail.startsWith('Failing row') ? ` (${error.detail})` : '';
  return new Error(`${error.message}${detail}, in: ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`, {
    cause: error,
  });
}

/** For a migration that asks the database while it runs: it gets MikroORM's driver on this connection. */
async function runWithEntityManager(client: pg.Client, step: MigrationFile, direction: Direction): Promise<void> {
  const em = entityManagerOn(client);
  await em.begin();
  const driver = em.getDriver();
  const migration = new step.Class(driver, em.config);
  const transaction = em.getTransactionContext();
  migration.setTransactionContext(transaction);
  await migration[direction]();
  for (const query of migration.getQueries()) await driver.execute(query, undefined, 'all', transaction);
  await em.commit();
}

function entityManagerOn(client: pg.Client): SqlEntityManager {
  const inside = insideTransaction(client);
  return createEntityDatabases([])
    .open({ connect: async () => inside, end: async () => undefined })
    .fork();
}

/** MikroORM begins and ends a transaction of its own; inside the batch's it must be a savepoint. */
function insideTransaction(client: pg.Client): LentClient {
  const savepoints: Readonly<Record<string, string>> = {
    begin: 'SAVEPOINT step',
    commit: 'RELEASE SAVEPOINT step',
    rollback: 'ROLLBACK TO SAVEPOINT step',
  };
  return new Proxy(Object.assign(Object.create(client), { release: () => undefined }), {
    get(target, key) {
      if (key !== 'query') return Reflect.get(target, key);
      return (text: unknown, ...rest: unknown[]) =>
        Reflect.apply(client.query, client, [typeof text === 'string' ? (savepoints[text] ?? text) : text, ...rest]);
    },
  });
}
