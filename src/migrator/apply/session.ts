import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import type { Direction, MigrationFile } from '../files/migration-files.ts';

/**
 * Resets what an earlier migration may have left in the session. It does the same as DISCARD ALL, which cannot be sent
 * together with other statements. Settings return to those with which the connection was opened.
 * @see https://www.postgresql.org/docs/current/sql-discard.html
 */
export const freshSessionSql = `
  CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DEALLOCATE ALL; UNLISTEN *;
  SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES;`;

/**
 * Like {@link freshSessionSql}, while this session holds an advisory lock, which it keeps: the message's transaction
 * holds the lock while the session releases all of its own.
 * @param lock the lock's two keys, as SQL
 */
export function freshSessionWithLockSql(lock: string): string {
  return `SELECT pg_advisory_xact_lock(${lock}); ${freshSessionSql} SELECT pg_advisory_lock(${lock});`;
}

/** The settings that each step starts with. */
export function stepSettingsSql({
  schema,
  lockTimeoutMs,
}: {
  readonly schema: string;
  readonly lockTimeoutMs: number;
}): string {
  return `SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL search_path = ${quoteIdentifier(schema)};`;
}

/** Checks deferred constraints at the end of a transaction, so that the failure is attributed to its step. */
const checkDeferredSql = 'SET CONSTRAINTS ALL IMMEDIATE;';

/**
 * Checks a schema's deferred constraints while other steps follow in the same transaction, which find them deferred
 * again as declared. Constraints are named, because `ALL` would also apply to those that the following steps create; and
 * rolling back to a savepoint would make the checked rows pending again, so that ALTER TABLE would fail.
 * @see https://www.postgresql.org/docs/current/sql-set-constraints.html
 * @param schema the schema's name, as SQL
 */
export function checkDeferredAndContinueSql(schema: string): string {
  const body = `
    DECLARE
      checked text;
      deferred text;
    BEGIN
      SELECT string_agg(name, ', '), string_agg(name, ', ') FILTER (WHERE is_deferred) INTO checked, deferred
      FROM (
        SELECT format('%I.%I', ${schema}, conname) AS name, bool_and(condeferred) AS is_deferred
        FROM pg_constraint
        WHERE connamespace = to_regnamespace(quote_ident(${schema}))
        GROUP BY conname HAVING bool_or(condeferred)
      ) c;
      IF checked IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || checked || ' IMMEDIATE'; END IF;
      IF deferred IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || deferred || ' DEFERRED'; END IF;
    END`;
  return `DO ${quoteLiteral(body)};`;
}

/**
 * SQL after a step: checks what it deferred, and removes what it may have left in the session. A step that only defines
 * tables and the like leaves nothing.
 * @param next what follows in the transaction
 */
export function endStepSql(
  step: MigrationFile,
  direction: Direction,
  schema: string,
  next: 'STEP' | 'COMMIT' | 'END',
): string {
  const statements = step.parsed[direction];
  const changesRows = statements?.some(({ mayChangeRows }) => mayChangeRows) ?? true;
  const changesSession = statements?.some(({ mayChangeSession }) => mayChangeSession) ?? true;
  const isLast = next !== 'STEP';
  // COMMIT checks them as well.
  const isChecked = !changesRows || (next === 'COMMIT' && !changesSession);
  const check = isChecked ? '' : isLast ? checkDeferredSql : checkDeferredAndContinueSql(quoteLiteral(schema));
  // A trigger may change the session too. After the last step, the next batch's fresh session covers that.
  return `${check} ${changesSession || (changesRows && !isLast) ? freshSessionSql : ''}`;
}
