import { quoteLiteral } from '../postgres/sql/quote.ts';

/** A change from one status to another, and who makes it. */
export interface Step<Status extends string> {
  /** Empty: a new row. */
  readonly from: readonly Status[];
  /** Empty: the row is deleted. */
  readonly to: readonly Status[];
  readonly by: string;
}

/** SQL that is true of rows with one of these statuses; `column` is a name from our own SQL, such as `i.status`. */
export function statusSql(statuses: readonly string[], column = 'status'): string {
  return `${column} IN (${statuses.map(quoteLiteral).join(', ')})`;
}

/** SQL that sets the status to which a step leads. */
export function toSql({ to: [status] }: { readonly to: readonly [string] }): string {
  return `status = ${quoteLiteral(status)}`;
}

/** Whether one of these statuses is this one, which may be of a wider type. */
export function includesStatus(statuses: readonly string[], status: string): boolean {
  return statuses.includes(status);
}
