import type { SqlEntityManager } from '@mikro-orm/sql';
import type pg from 'pg';
import { asPoolClient, createEntityDatabases, type ExtendedQuery } from '../../orm/databases.ts';
import type { PoolClient } from '../../postgres/pool/pool.ts';
import { loadStatementParser, type StatementParser } from '../../postgres/sql/statements.ts';
import type { Direction, MigrationFile } from '../files/migration-file.ts';
import { obstacleOf, shortened } from '../files/obstacles.ts';
import { readStatements, type SourceStatement } from '../files/source-statements.ts';
import { type OwnStatements, type Row, sendStatements } from './send-statements.ts';

/**
 * Runs a migration inside the connection's open transaction, between statements of ours, in one round trip if possible.
 * @returns for each trailing statement the last row that it returned
 * @throws {Error} naming the statement that failed, if known
 */
export async function executeStep(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
  { leading, trailing }: Required<OwnStatements>,
): Promise<readonly (Row | undefined)[]> {
  const statements = step.parsed[direction];
  if (statements) return sendStatements(client, statements, { leading, trailing });
  await sendStatements(client, [], { leading });
  await runWithEntityManager(client, step, direction);
  return sendStatements(client, [], { trailing });
}

/**
 * Runs a migration that is not transactional, one statement at a time: PostgreSQL treats several statements before one
 * synchronization point as one transaction.
 * @param isDone whether an earlier attempt has already done this statement, before it is sent or after an error
 * @throws {Error} naming the statement that failed, if known
 */
export async function executeStepAlone(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
  isDone: (statement: SourceStatement, error?: unknown) => boolean = () => false,
): Promise<void> {
  for (const statement of step.parsed[direction] ?? (await collectStatements(client, step, direction))) {
    if (isDone(statement)) continue;
    try {
      await sendStatements(client, [statement]);
    } catch (error) {
      if (!isDone(statement, error)) throw error;
    }
  }
  if (client.getTransactionStatus() !== 'I') throw new Error('it left a transaction open');
}

/** Lets a migration query the database, and returns the statements that it adds. */
async function collectStatements(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
): Promise<readonly SourceStatement[]> {
  const em = entityManagerOn(asPoolClient(client, (text) => text));
  const driver = em.getDriver();
  const migration = new step.Class(driver, em.config);
  await migration[direction]();
  const texts = migration.getQueries().map((query) => {
    if (typeof query === 'string') return query;
    throw new Error('it must add its statements as strings, because it is not transactional');
  });
  return allowed(step, readStatements(texts, await loadStatementParser()));
}

/** Runs a migration that queries the database, with MikroORM's driver on this connection. */
async function runWithEntityManager(client: pg.Client, step: MigrationFile, direction: Direction): Promise<void> {
  const parse = await loadStatementParser();
  const nested = new NestedTransactions(client, step, parse);
  const em = entityManagerOn(nested.client);
  await em.begin();
  const driver = em.getDriver();
  const migration = new step.Class(driver, em.config);
  const transaction = em.getTransactionContext();
  migration.setTransactionContext(transaction);
  await migration[direction]();
  for (const query of migration.getQueries()) {
    if (typeof query === 'string') await sendStatements(client, allowed(step, readStatements([query], parse)));
    else await driver.execute(query, undefined, 'all', transaction);
  }
  if (nested.depth !== 1)
    throw new Error('it ended the transaction that it was given, or left its own transaction open');
  await em.commit();
}

/** @throws {Error} if the step must not have one of these statements */
function allowed(step: MigrationFile, statements: readonly SourceStatement[]): readonly SourceStatement[] {
  const obstacle = obstacleOf(step, statements);
  if (obstacle !== undefined) throw new Error(`it ${obstacle}`);
  return statements;
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
  readonly #step: MigrationFile;
  readonly #parse: StatementParser;

  constructor(client: pg.Client, step: MigrationFile, parse: StatementParser) {
    this.#step = step;
    this.#parse = parse;
    this.client = asPoolClient(client, (text) => this.#nest(text));
  }

  #nest(text: string): string | ExtendedQuery {
    if (text === 'begin') {
      this.depth += 1;
      return `SAVEPOINT nested_${this.depth}`;
    }
    if (this.depth > 0 && (text === 'commit' || text === 'rollback')) {
      const savepoint = `nested_${this.depth}`;
      this.depth -= 1;
      return `${text === 'commit' ? '' : `ROLLBACK TO SAVEPOINT ${savepoint};`} RELEASE SAVEPOINT ${savepoint}`;
    }
    // The extended protocol never takes one statement for two.
    if (allowed(this.#step, readStatements([text], this.#parse)).length <= 1) return { text, queryMode: 'extended' };
    // Several are sent as the message that was parsed. After standard_conforming_strings = off, which a setting can hide,
    // a backslash would make the server find other statements in it.
    if (text.includes('\\')) {
      throw new Error(
        `it sends several statements with a backslash at once (${shortened(text)}). Send each by itself.`,
      );
    }
    return text;
  }
}
