import { quoteLiteral } from '../postgres/sql/quote.ts';

/** A transition between statuses, and who performs it. */
export interface Step<Status extends string> {
  /** Empty: a new row. */
  readonly from: readonly Status[];
  /** Empty: the row is deleted. */
  readonly to: readonly Status[];
  readonly by: string;
}

/** Returns a condition on the status; `column` is a name from our own SQL, such as `i.status`. */
export function statusSql(statuses: readonly string[], column = 'status'): string {
  return `${column} IN (${statuses.map(quoteLiteral).join(', ')})`;
}

/** Returns an assignment of the status after a transition. */
export function toSql({ to: [status] }: { readonly to: readonly [string] }): string {
  return `status = ${quoteLiteral(status)}`;
}

/** Whether a list contains a status, which may be of a wider type. */
export function includesStatus(statuses: readonly string[], status: string): boolean {
  return statuses.includes(status);
}
