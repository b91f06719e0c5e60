import type { SqlEntityManager } from '@mikro-orm/sql';
import pg from 'pg';
import { elapsedSince } from '../../lib/time.ts';
import { asPoolClient, createEntityDatabases } from '../../orm/databases.ts';
import type { PoolClient } from '../../postgres/pool/pool.ts';
import { findTransactionCommand, splitStatements } from '../../postgres/sql/split-statements.ts';
import { type Direction, type MigrationFile, transactionObstacle } from '../files/migration-files.ts';

/** The results of several statements sent in one message. */
type StepResults = readonly pg.QueryResult<{ readonly durationMs?: number }>[];

/**
 * Runs a migration inside the connection's open transaction, followed by trailing SQL, in one message if possible.
 * @param trailingSql creates the trailing SQL. It gets the migration's duration in milliseconds, or undefined if the
 *   SQL has to measure it from `statement_timestamp()`, which is when the migration started.
 * @returns the results of the trailing statements, preceded by those of the migration if both were sent in one message
 * @throws {Error} naming the statement that failed, if known
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
 * Runs a migration that is not transactional, one statement at a time: PostgreSQL treats several statements in one
 * message as one transaction.
 * @param isDone whether an error means that an earlier attempt has already done this statement
 * @throws {Error} naming the statement that failed, if known
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

/** The statements to send one by one; undefined if they are only known by running the migration. */
export function statementsAlone(step: MigrationFile, direction: Direction): readonly string[] | undefined {
  return (direction === 'up' ? step.statements : step.downStatements)?.flatMap(splitStatements);
}

/** Lets a migration query the database, and returns the statements that it adds. */
async function collectStatements(client: pg.Client, step: MigrationFile, direction: Direction): Promise<string[]> {
  const em = entityManagerOn(asPoolClient(client, (text) => text));
  const driver = em.getDriver();
  const migration = new step.Class(driver, em.config);
  await migration[direction]();
  return migration.getQueries().flatMap((query) => {
    if (typeof query !== 'string')
      throw new Error('it must add its statements as strings, because it is not transactional');
    return splitStatements(query);
  });
}

/** Sends a migration's statements and the trailing SQL in one round trip. */
async function sendTogether(client: pg.Client, texts: readonly string[], trailingSql: string): Promise<StepResults> {
  let finished = 0;
  const count = () => {
    finished += 1;
  };
  client.connection.on('commandComplete', count);
  try {
    // The semicolon goes on its own line because a statement may end with a comment.
    const results: unknown = await client.query([...texts, trailingSql].join('\n;\n'));
    // node-postgres returns an array for several statements, which its types don't express.
    return results as StepResults;
  } catch (error) {
    // One string may hold several statements.
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

/** Runs a migration that queries the database, with MikroORM's driver on this connection. */
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
  if (nested.depth !== 1)
    throw new Error('it ended the transaction that it was given, or left its own transaction open');
  await em.commit();
}

function entityManagerOn(client: PoolClient): SqlEntityManager {
  return createEntityDatabases([])
    .open({ connect: async () => client, end: async () => undefined })
    .fork();
}

/**
 * The connection as a migration may use it. MikroORM's transactions become savepoints inside the batch's transaction.
 * All other statements that begin or end a transaction are refused.
 */
class NestedTransactions {
  readonly client: PoolClient;
  /** The number of open savepoints inside the batch's transaction. */
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
