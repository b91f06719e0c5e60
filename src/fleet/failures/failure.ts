import pg from 'pg';
import { AppError, messageOf } from '../../lib/errors.ts';
import { MigrationFailedError } from '../../migrator/apply/batch.ts';
import { StatementError } from '../../migrator/apply/statement-error.ts';
import { shortened } from '../../migrator/files/obstacles.ts';
import { CommonFailedError } from '../../servers/shared/common-line.ts';
import { maskStatement, maskWords, type Quotes, type TenantNames } from './mask.ts';

/** Why a tenant failed, in words that are the same for every tenant that fails in the same way. */
export interface Failure {
  readonly error: string;
  /** PostgreSQL's SQLSTATE, a code of ours such as MIGRATION_CHANGED, or one of the system such as ECONNREFUSED. */
  readonly code: string | null;
  readonly migration: string | null;
  /** The beginning of the statement that failed. */
  readonly statement: string | null;
}

/** SQLSTATE classes whose messages quote values: data exceptions, and errors of PL/pgSQL. */
const valueClasses: readonly string[] = ['22', 'P0'];

/** The function of PostgreSQL that carries out RAISE, which can have any SQLSTATE. */
const RAISE = 'exec_stmt_raise';

/** Describes an error without the words of the tenant that had it: its names, ids, numbers and values in quotes. */
export function failureOf(error: unknown, tenant: TenantNames): Failure {
  const chain = chainOf(error);
  const migration = chain.find((each) => each instanceof MigrationFailedError);
  const statement = chain.find((each) => each instanceof StatementError);
  const cause = causeOf(chain);
  return {
    error: maskWords(messageOf(cause), tenant, quotesOf(cause)),
    code: codeOf(cause) ?? null,
    migration: migration?.migration.name ?? null,
    statement: statement ? shortened(maskStatement(statement.statement, tenant)) : null,
  };
}

/** The error and its causes, the outermost first. */
function chainOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let each = error; each !== undefined && chain.length < 10; ) {
    chain.push(each);
    each = each instanceof Error ? each.cause : undefined;
  }
  return chain;
}

/** What PostgreSQL or we have said first; else what the wrappers of the migrator are about. */
function causeOf(chain: readonly unknown[]): unknown {
  const known = chain.find((each) => each instanceof pg.DatabaseError || each instanceof AppError);
  return known ?? chain.find((each) => !isWrapper(each)) ?? chain[0];
}

function isWrapper(error: unknown): boolean {
  return error instanceof MigrationFailedError || error instanceof CommonFailedError;
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

function quotesOf(error: unknown): Quotes {
  if (error instanceof AppError) return 'KEEP';
  const code = codeOf(error);
  if (error instanceof pg.DatabaseError) {
    return error.routine === RAISE || valueClasses.includes(code?.slice(0, 2) ?? '') ? 'VALUES' : 'NAMES';
  }
  // The system's errors name addresses and files, which are not the tenant's.
  return code === undefined ? 'VALUES' : 'KEEP';
}
