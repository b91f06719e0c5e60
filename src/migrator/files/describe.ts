import { Configuration } from '@mikro-orm/core';
import { Migration } from '@mikro-orm/migrations';
import { PostgreSqlDriver } from '@mikro-orm/postgresql';
import { messageOf } from '../../lib/errors.ts';
import { loadStatementParser } from '../../postgres/sql/statements.ts';
import { backfillOf } from './backfill.ts';
import type { Direction, MigrationClass, MigrationFile } from './migration-file.ts';
import { obstacleOf } from './obstacles.ts';
import { SourceLines } from './source-lines.ts';
import { readStatements } from './source-statements.ts';

/** The name of the ORM used to list statements; it never connects. */
const describingConfig = new Configuration({ driver: PostgreSqlDriver, dbName: 'unused', entities: [] }, false);

/**
 * Lists what a migration does, without a database. Its statements are parsed when they are first needed: of most files that a process
 * reads, everything has been applied.
 * @param source the file's text
 * @throws {Error} if it cannot be constructed. The message continues a sentence that starts with the file's name.
 */
export async function describeMigration(
  Class: MigrationClass,
  { name, scope, hash }: Pick<MigrationFile, 'name' | 'scope' | 'hash'>,
  source: string,
): Promise<MigrationFile> {
  const reversible = Class.prototype.down !== Migration.prototype.down;
  const instance = construct(Class, new DescribingDriver().driver);
  const transactional = instance.isTransactional();
  const backfill = backfillOf(instance);
  const statements = await statementsOf(Class, 'up');
  const downStatements = reversible ? await statementsOf(Class, 'down') : undefined;
  const parse = await loadStatementParser();
  const parsed = once(() => ({
    up: statements && readStatements(statements, parse, new SourceLines(source, 'up')),
    down: downStatements && readStatements(downStatements, parse, new SourceLines(source, 'down')),
  }));
  const obstacle = once(() => {
    const { up = [], down = [] } = parsed();
    return obstacleOf({ scope, transactional, backfill }, [...up, ...down]);
  });
  if (backfill && parsed().up?.length !== 1) throw new Error('must have one statement: batch() returns it');
  return {
    name,
    scope,
    hash,
    Class,
    transactional,
    backfill,
    reversible,
    statements,
    downStatements,
    get parsed() {
      return parsed();
    },
    get obstacle() {
      return obstacle();
    },
  };
}

/** Returns a function that computes a value at its first call, and returns it from then on. */
function once<Value>(compute: () => Value): () => Value {
  let known: { readonly value: Value } | undefined;
  return () => {
    known ??= { value: compute() };
    return known.value;
  };
}

function construct(Class: MigrationClass, driver: PostgreSqlDriver): Migration {
  try {
    return new Class(driver, describingConfig);
  } catch (cause) {
    throw new Error(`cannot be constructed: ${messageOf(cause)}`, { cause });
  }
}

/** A driver without a database. A migration that queries it fails, which shows that its statements cannot be listed. */
class DescribingDriver {
  readonly driver: PostgreSqlDriver;
  /** Whether the migration queried it, even if it caught the error. */
  asked = false;

  constructor() {
    this.driver = new Proxy(new PostgreSqlDriver(describingConfig), {
      get: (driver, key, receiver) => {
        if (!databaseKeys.has(key)) return Reflect.get(driver, key, receiver);
        this.asked = true;
        throw new Error('This migration queries the database');
      },
    });
  }
}

/** The methods by which a driver reaches its database. */
const databaseKeys: ReadonlySet<string | symbol> = new Set([
  'execute',
  'createEntityManager',
  'getConnection',
  'connection',
  'replicas',
]);

async function statementsOf(Class: MigrationClass, direction: Direction): Promise<readonly string[] | undefined> {
  const describing = new DescribingDriver();
  const instance = construct(Class, describing.driver);
  try {
    await instance[direction]();
  } catch {
    return undefined;
  }
  const queries = instance.getQueries();
  return !describing.asked && queries.every((query) => typeof query === 'string') ? queries : undefined;
}
