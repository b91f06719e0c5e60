import { quoteLiteral } from '../../postgres/sql/quote.ts';
import { searchPathOf } from '../files/common-schema.ts';
import type { Direction, MigrationFile } from '../files/migration-file.ts';

/**
 * Resets what an earlier migration may have left in the session. It does the same as DISCARD ALL, which cannot be sent
 * together with other statements. Settings return to those with which the connection was opened.
 * @see https://www.postgresql.org/docs/current/sql-discard.html
 */
const freshSession: readonly string[] = [
  'CLOSE ALL',
  'RESET SESSION AUTHORIZATION',
  'RESET ROLE',
  'RESET ALL',
  'DEALLOCATE ALL',
  'UNLISTEN *',
  'SELECT pg_advisory_unlock_all()',
  'DISCARD PLANS',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
];

/** Resets what an earlier migration may have left in the session: the statements in one text. */
export const freshSessionSql = `${freshSession.join('; ')};`;

/**
 * Like {@link freshSessionSql}, while this session holds an advisory lock, which it keeps: the message's transaction
 * holds the lock while the session releases all of its own.
 * @param lock the lock's two keys, as SQL
 */
export function freshSessionWithLockSql(lock: string): string {
  return `SELECT pg_advisory_xact_lock(${lock}); ${freshSessionSql} SELECT pg_advisory_lock(${lock});`;
}

interface StepSettings {
  readonly schema: string;
  readonly lockTimeoutMs: number;
}

/**
 * Makes a migration give way in a deadlock with a request. PostgreSQL looks for a deadlock once, when a session has waited
 * for a lock for deadlock_timeout, 1 s by default, and aborts the one that looks. If the request has waited first, the
 * migration looks before it. If the migration has waited first, its wait ends before the request looks, unless the lock
 * timeout is longer than that. Roles that may not change the setting keep the server's.
 * @see https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT
 */
function giveWaySql(lockTimeoutMs: number): string {
  return `SELECT set_config('deadlock_timeout', '50ms', true)
    WHERE current_setting('deadlock_timeout')::interval >= interval '${lockTimeoutMs} ms'
      AND has_parameter_privilege('deadlock_timeout', 'SET')`;
}

function stepSettings(settings: StepSettings): readonly string[] {
  const { schema, lockTimeoutMs } = settings;
  return [lockTimeoutSql(settings), giveWaySql(lockTimeoutMs), `SET LOCAL search_path = ${searchPathOf(schema)}`];
}

function lockTimeoutSql({ lockTimeoutMs }: StepSettings): string {
  return `SET LOCAL lock_timeout = ${lockTimeoutMs}`;
}

/** The settings that each step starts with. */
export function stepSettingsSql(settings: StepSettings): string {
  return `${stepSettings(settings).join('; ')};`;
}

/** Checks deferred constraints at the end of a transaction, so that the failure is attributed to its step. */
const checkDeferred = 'SET CONSTRAINTS ALL IMMEDIATE';

/**
 * A statement that checks a schema's deferred constraints while other steps follow in the same transaction, which find
 * them deferred again as declared. Constraints are named, because `ALL` would also apply to those that the following
 * steps create; and rolling back to a savepoint would make the checked rows pending again, so that ALTER TABLE would fail.
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
  return `DO ${quoteLiteral(body)}`;
}

/** Resets what a step may have set that would keep us from checking and recording it. */
export const ownSession: readonly string[] = [
  'RESET SESSION AUTHORIZATION',
  'RESET ROLE',
  'RESET statement_timeout',
  'RESET lock_timeout',
];

const savepoint = 'tenantry_step';

/**
 * The statements around a step that keep its savepoints from the next step, which would revert this one's changes by
 * rolling back to them.
 * @see https://www.postgresql.org/docs/current/sql-release-savepoint.html
 */
export function aroundSavepoints(
  { parsed, transactional }: MigrationFile,
  direction: Direction,
): Readonly<Record<'before' | 'after', readonly string[]>> {
  const isNeeded = transactional && (parsed[direction]?.some(({ usesSavepoint }) => usesSavepoint) ?? true);
  return isNeeded
    ? { before: [`SAVEPOINT ${savepoint}`], after: [`RELEASE SAVEPOINT ${savepoint}`] }
    : { before: [], after: [] };
}

/** What follows a step in its transaction: another one, the transaction's end, or something else of ours. */
export type Next = 'STEP' | 'COMMIT' | 'ROLLBACK' | 'OTHER';

/** The statements of ours after a step's own. */
export interface StepEnd {
  /**
   * Makes the session's user the owner again, lifts the step's time limits, and checks what it deferred. The step is
   * recorded after that.
   */
  readonly check: readonly string[];
  /** Removes what it may have left in the session. A step that only defines tables and the like leaves nothing. */
  readonly cleanUp: readonly string[];
}

/** Returns the statements to send after a step. */
export function endOfStep(step: MigrationFile, direction: Direction, settings: StepSettings, next: Next): StepEnd {
  const statements = step.parsed[direction];
  const changesRows = statements?.some(({ mayChangeRows }) => mayChangeRows) ?? true;
  const changesSession = statements?.some(({ mayChangeSession }) => mayChangeSession) ?? true;
  const isLast = next !== 'STEP';
  // COMMIT checks them as well.
  const isChecked = !changesRows || (next === 'COMMIT' && !changesSession);
  const check = isLast ? checkDeferred : checkDeferredAndContinueSql(quoteLiteral(settings.schema));
  // A trigger may change the session too. After the last step, the next batch's fresh session covers that.
  const mayLeave = changesSession || (changesRows && !isLast);
  return {
    check: [...(changesSession ? [...ownSession, lockTimeoutSql(settings)] : []), ...(isChecked ? [] : [check])],
    cleanUp: [...(mayLeave ? freshSession : []), ...(isLast ? [] : stepSettings(settings))],
  };
}
