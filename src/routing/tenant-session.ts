import type pg from 'pg';
import { APPLICATION_NAME, everySession } from '../postgres/session-settings.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { Placement } from './placement.ts';

/** How long a transaction may be idle before PostgreSQL ends its session, in milliseconds. A resolver may have forgotten it. */
const IDLE_IN_TRANSACTION_MS = 60_000;

/** The limits of a tenant's session, which are the same for all tenants. */
export function sessionLimits(statementTimeoutMs: number): Readonly<Record<string, string>> {
  return {
    statement_timeout: String(statementTimeoutMs),
    idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
  };
}

/**
 * The settings of a tenant's role beside its search path. Its sessions behind a pooler have no others, because a pooler passes none
 * on. Those of direct connections are sent when connecting, and take precedence.
 */
export function roleSettings(statementTimeoutMs: number): Readonly<Record<string, string>> {
  return { application_name: APPLICATION_NAME, ...everySession, ...sessionLimits(statementTimeoutMs) };
}

/**
 * Finds what a session has that is not the tenant's: another role, another database or other settings. A pooler can be configured to
 * log in as another role or to another database, and keeps sessions from before the role's settings were changed, or whose settings
 * somebody has changed.
 * @returns what it is, for the log; undefined if the session is the tenant's
 */
export async function findForeignState(
  client: pg.Client,
  role: string,
  { database, schema }: Pick<Placement, 'database' | 'schema'>,
  statementTimeoutMs: number,
): Promise<string | undefined> {
  const settings = Object.entries({ ...everySession, ...sessionLimits(statementTimeoutMs) });
  const checks: readonly (readonly [name: string, condition: string])[] = [
    ['role', `session_user = ${quoteLiteral(role)} AND current_user = session_user`],
    ['database', `current_database() = ${quoteLiteral(database)}`],
    ['search_path', `current_setting('search_path') = quote_ident(${quoteLiteral(schema)}) || ', common'`],
    ...settings.map(([name, value]) => [name, isSetSql(name, value)] as const),
  ];
  const wrong = checks.map(([name, isRight]) => `CASE WHEN NOT (${isRight}) THEN ${quoteLiteral(name)} END`);
  const { rows } = await client.query<{ wrong: string }>(`SELECT concat_ws(', ', ${wrong.join(', ')}) AS wrong`);
  return rows[0]?.wrong || undefined;
}

/** PostgreSQL shows times in the largest unit in which they are whole. */
function isSetSql(name: string, value: string): string {
  const current = `current_setting(${quoteLiteral(name)})`;
  if (!/_(timeout|interval)$/.test(name)) return `${current} = ${quoteLiteral(value)}`;
  return `${current}::interval = interval ${quoteLiteral(/^\d+$/.test(value) ? `${value}ms` : value)}`;
}
