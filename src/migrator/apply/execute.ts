import type { SqlEntityManager } from '@mikro-orm/sql';
import pg from 'pg';
import { elapsedSince } from '../../lib/time.ts';
import { asPoolClient, createEntityDatabases } from '../../orm/databases.ts';
import type { PoolClient } from '../../postgres/pool/pool.ts';
import { findTransactionCommand, splitStatements } from '../../postgres/sql/split-statements.ts';
import { type Direction, type MigrationFile, transactionObstacle } from '../files/migration-files.ts';

/** What several statements are answered with that were sent in one message. */
type StepResults = readonly pg.QueryResult<{ readonly durationMs?: number }>[];

/**
 * Runs what a migration does, inside the transaction that is open on the connection, and then what is to follow: in the same
 * message, if it can be.
 * @param trailingSql makes the SQL that follows. It is told how long the migration took, in milliseconds; undefined if that has to be
 *   told by `statement_timestamp()`, which is when the migration began.
 * @returns the results of that SQL's statements, and before them those of the migration's if they were in one message
 * @throws {Error} naming the statement that failed, where that can be told
 */
export async function executeStep(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
  trailingSql: (durationMs: number | undefined) => string,
): Promise<StepResults> {
  const statements = direction === 'up' ? step.statements : step.downStatements;
  if (statements) return sendTogether(client, statements, trailingSql(undefined));
  const start = performance.now();
  await runWithEntityManager(client, step, direction);
  return sendTogether(client, [], trailingSql(elapsedSince(start)));
}

/**
 * Runs what a migration does that is not transactional, each statement by itself: several in one message would be one
 * transaction to PostgreSQL.
 * @param isDone tells whether an error means that an earlier try has done this statement
 * @throws {Error} naming the statement that failed, where that can be told
 */
export async function executeStepAlone(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
  isDone: (statement: string, error: unknown) => boolean = () => false,
): Promise<void> {
  for (const statement of statementsAlone(step, direction) ?? (await collectStatements(client, step, direction))) {
    try {
      await client.query(statement);
    } catch (error) {
      if (!isDone(statement, error)) throw withStatement(error, statement);
    }
  }
  if (client.getTransactionStatus() !== 'I') throw new Error('it left a transaction open');
}

/** What is sent one by one; undefined if that can only be told by running the migration. */
export function statementsAlone(step: MigrationFile, direction: Direction): readonly string[] | undefined {
  return (direction === 'up' ? step.statements : step.downStatements)?.flatMap(splitStatements);
}

/** Lets a migration ask the database, and gives what it has added. */
async function collectStatements(client: pg.Client, step: MigrationFile, direction: Direction): Promise<string[]> {
  const em = entityManagerOn(asPoolClient(client, (text) => text));
  const driver = em.getDriver();
  const migration = new step.Class(driver, em.config);
  await migration[direction]();
  return migration.getQueries().flatMap((query) => {
    if (typeof query !== 'string')
      throw new Error('it must add its statements as texts, since it is not transactional');
    return splitStatements(query);
  });
}

/** Sends a migration's statements, and what follows them, in one round trip. */
async function sendTogether(client: pg.Client, texts: readonly string[], trailingSql: string): Promise<StepResults> {
  let finished = 0;
  const count = () => {
    finished += 1;
  };
  client.connection.on('commandComplete', count);
  try {
    // A line of its own for the semicolon, since a text may end with a comment.
    const results: unknown = await client.query([...texts, trailingSql].join('\n;\n'));
    // Several statements are answered with a list, which the types of node-postgres do not tell.
    return results as StepResults;
  } catch (error) {
    // One text may hold several statements.
    throw withStatement(error, texts.flatMap(splitStatements)[finished]);
  } finally {
    client.connection.off('commandComplete', count);
  }
}

function withStatement(error: unknown, statement: string | undefined): unknown {
  if (!(error instanceof pg.DatabaseError) || statement === undefined) return error;
  const text = statement.replace(/\s+/g, ' ').trim();
  const detail = error.detail ? ` (${error.detail})` : '';
  return new Error(`${error.message}${detail}, in: ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`, {
    cause: error,
  });
}

/** For a migration that asks the database while it runs: it gets MikroORM's driver on this connection. */
async function runWithEntityManager(client: pg.Client, step: MigrationFile, direction: Direction): Promise<void> {
  const nested = new NestedTransactions(client);
  const em = entityManagerOn(nested.client);
  await em.begin();
  const driver = em.getDriver();
  const migration = new step.Class(driver, em.config);
  const transaction = em.getTransactionContext();
  migration.setTransactionContext(transaction);
  await migration[direction]();
  for (const query of migration.getQueries()) await driver.execute(query, undefined, 'all', transaction);
  if (nested.depth !== 1) throw new Error('it ended the transaction that it was given, or left one of its own open');
  await em.commit();
}

function entityManagerOn(client: PoolClient): SqlEntityManager {
  return createEntityDatabases([])
    .open({ connect: async () => client, end: async () => undefined })
    .fork();
}

/**
 * The connection as a migration may use it. MikroORM begins and ends transactions, which inside the batch's must be
 * savepoints; whatever else would begin or end one is refused.
 */
class NestedTransactions {
  readonly client: PoolClient;
  /** How many are open inside the batch's. */
  depth = 0;

  constructor(client: pg.Client) {
    this.client = asPoolClient(client, (text) => this.#nest(text));
  }

  #nest(text: string): string {
    if (text === 'begin') {
      this.depth += 1;
      return `SAVEPOINT nested_${this.depth}`;
    }
    if (this.depth > 0 && (text === 'commit' || text === 'rollback')) {
      const savepoint = `nested_${this.depth}`;
      this.depth -= 1;
      return `${text === 'commit' ? '' : `ROLLBACK TO SAVEPOINT ${savepoint};`} RELEASE SAVEPOINT ${savepoint}`;
    }
    const command = findTransactionCommand(text);
    if (command) throw new Error(transactionObstacle(command));
    return text;
  }
}
