import type { Statement } from '../../postgres/sql/statements.ts';

/**
 * Why a migration cannot be applied to any database, as the end of a sentence that starts with its name; undefined if
 * it can.
 */
export function obstacleOf(transactional: boolean, statements: readonly Statement[]): string | undefined {
  for (const statement of statements) {
    const { text, endsTransaction, copiesFromClient, changesQuoting } = statement;
    if (transactional && endsTransaction) return transactionObstacle(text);
    if (copiesFromClient)
      return `reads rows from the client (${shortened(text)}), which has none. Write INSERT statements instead.`;
    if (changesQuoting)
      return `changes how PostgreSQL reads quotes (${shortened(text)}). Remove the statement, and write E'…' where a backslash is an escape.`;
  }
  return undefined;
}

/** Why a migration with this command cannot be applied. */
export function transactionObstacle(command: string): string {
  return `begins or ends a transaction (${shortened(command)}), but its whole batch runs in one transaction, so that it can be rolled back. Remove the command. If the migration cannot run in a transaction, write \`override isTransactional() { return false; }\`.`;
}

/** The beginning of a statement, on one line. */
export function shortened(statement: string): string {
  const line = statement.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
