import type { SqlEntityManager } from '@mikro-orm/sql';
import type pg from 'pg';
import { elapsedSince } from '../../lib/time.ts';
import { asPoolClient, createEntityDatabases } from '../../orm/databases.ts';
import type { PoolClient } from '../../postgres/pool/pool.ts';
import { loadStatementParser, type Statement, type StatementParser } from '../../postgres/sql/statements.ts';
import type { Direction, MigrationFile } from '../files/migration-files.ts';
import { obstacleOf } from '../files/obstacles.ts';
import { type LastRow, sendAlone, sendTogether } from './send-statements.ts';

/**
 * Runs a migration inside the connection's open transaction, followed by trailing SQL, in one message if possible.
 * @param trailingSql creates the trailing SQL. It gets the migration's duration in milliseconds, or undefined if the
 *   SQL has to measure it from `statement_timestamp()`, which is when the migration started.
 * @returns the last row of the trailing SQL
 * @throws {Error} naming the statement that failed, if known
 */
export async function executeStep(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
  trailingSql: (durationMs: number | undefined) => string,
): Promise<LastRow> {
  const statements = step.parsed[direction];
  if (statements?.every(({ isParsed }) => isParsed)) return sendTogether(client, statements, trailingSql(undefined));
  const start = performance.now();
  if (statements) for (const statement of statements) await sendAlone(client, statement);
  else await runWithEntityManager(client, step, direction);
  return sendTogether(client, [], trailingSql(elapsedSince(start)));
}

/**
 * Runs a migration that is not transactional, one statement at a time: PostgreSQL treats several statements in one
 * message as one transaction.
 * @param isDone whether an earlier attempt has already done this statement, before it is sent or after an error
 * @throws {Error} naming the statement that failed, if known
 */
export async function executeStepAlone(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
  isDone: (statement: Statement, error?: unknown) => boolean = () => false,
): Promise<void> {
  for (const statement of step.parsed[direction] ?? (await collectStatements(client, step, direction))) {
    if (isDone(statement)) continue;
    try {
      await sendAlone(client, statement);
    } catch (error) {
      if (!isDone(statement, error)) throw error;
    }
  }
  if (client.getTransactionStatus() !== 'I') throw new Error('it left a transaction open');
}

/** Lets a migration query the database, and returns the statements that it adds. */
async function collectStatements(client: pg.Client, step: MigrationFile, direction: Direction): Promise<Statement[]> {
  const parse = await loadStatementParser();
  const em = entityManagerOn(asPoolClient(client, (text) => text));
  const driver = em.getDriver();
  const migration = new step.Class(driver, em.config);
  await migration[direction]();
  return migration.getQueries().flatMap((query) => {
    if (typeof query !== 'string')
      throw new Error('it must add its statements as strings, because it is not transactional');
    return parse(query);
  });
}

/** Runs a migration that queries the database, with MikroORM's driver on this connection. */
async function runWithEntityManager(client: pg.Client, step: MigrationFile, direction: Direction): Promise<void> {
  const nested = new NestedTransactions(client, await loadStatementParser());
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

  readonly #parse: StatementParser;

  constructor(client: pg.Client, parse: StatementParser) {
    this.#parse = parse;
    this.client = asPoolClient(client, (text) => this.#nest(text));
  }

  #nest(text: string): string | pg.QueryConfig {
    if (text === 'begin') {
      this.depth += 1;
      return `SAVEPOINT nested_${this.depth}`;
    }
    if (this.depth > 0 && (text === 'commit' || text === 'rollback')) {
      const savepoint = `nested_${this.depth}`;
      this.depth -= 1;
      return `${text === 'commit' ? '' : `ROLLBACK TO SAVEPOINT ${savepoint};`} RELEASE SAVEPOINT ${savepoint}`;
    }
    const statements = this.#parse(text);
    const obstacle = obstacleOf(true, statements);
    if (obstacle !== undefined) throw new Error(obstacle);
    // PostgreSQL accepts one statement only in the extended protocol, whatever the parser makes of the text.
    // The types of node-postgres lack the option.
    return statements.length > 1 ? text : ({ text, queryMode: 'extended' } as pg.QueryConfig);
  }
}
