import type pg from 'pg';

/**
 * What a statement begins with that changes nothing by itself. Functions that a SELECT calls are taken to read only: PostgreSQL
 * does not say whether they have written.
 */
const reads = /^\s*(SELECT|BEGIN|START|ROLLBACK|SAVEPOINT|RELEASE|SET|SHOW)\b/i;
const begins = /^\s*(BEGIN|START)\b/i;
const commits = /^\s*(COMMIT|END|PREPARE)\b/i;

/**
 * Watches a session for changes.
 * @returns a function that is called with the first argument of each `client.query`, before it is sent. It returns whether
 *   PostgreSQL may commit a change with it, also if its result is lost with the connection. A transaction is rolled back as long as
 *   PostgreSQL was not asked to commit it.
 */
export function watchChanges(client: pg.Client): (query: unknown) => boolean {
  let hasChanged = false;
  return (query) => {
    const text = textOf(query);
    if (begins.test(text)) hasChanged = false;
    if (reads.test(text)) return false;
    if (client.getTransactionStatus() === 'I') return true;
    if (commits.test(text)) return hasChanged;
    hasChanged = true;
    return false;
  };
}

function textOf(query: unknown): string {
  if (typeof query === 'string') return query;
  return query instanceof Object && 'text' in query ? String(query.text) : '';
}
