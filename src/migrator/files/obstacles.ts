import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { BackfillStatement } from './backfill.ts';
import type { SourceStatement } from './source-statements.ts';

/** What decides which statements a migration must not have. */
interface Limits {
  readonly scope: MigrationScope;
  readonly transactional: boolean;
  readonly backfill?: BackfillStatement | undefined;
}

/**
 * Why a migration with these statements cannot be applied to any database, as the end of a sentence that starts with its
 * name; undefined if it can.
 */
export function obstacleOf(
  { scope, transactional, backfill }: Limits,
  statements: readonly SourceStatement[],
): string | undefined {
  if (backfill && scope !== 'TENANT') {
    return "is a backfill, but only tenants' migrations are carried out in batches. Write a Migration with this statement instead.";
  }
  for (const statement of statements) {
    const { endsTransaction, copiesFromClient, leavesSchema, leavesCommon } = statement;
    if (transactional && endsTransaction) {
      return `begins or ends a transaction (${shown(statement)}), but its whole batch runs in one transaction, so that it can be rolled back. Remove the command, or write \`override isTransactional() { return false; }\` to run each statement by itself.`;
    }
    if (scope === 'TENANT' && leavesSchema !== undefined) {
      return `would leave the tenant's schema (${shown(statement)}). ${leavesSchema}.`;
    }
    if (scope === 'COMMON' && leavesCommon !== undefined) {
      return `would leave the schema common (${shown(statement)}). ${leavesCommon}.`;
    }
    if (copiesFromClient) {
      return `reads rows from a client (${shown(statement)}), but a migration has none to send. Write INSERT INTO … VALUES instead.`;
    }
  }
  return undefined;
}

function shown({ text, line }: SourceStatement): string {
  return line === undefined ? shortened(text) : `${shortened(text)}, line ${line}`;
}

/** The maximum length of a statement in a message, in characters. */
const SHOWN = 200;

/** The beginning of a statement, on one line. */
export function shortened(statement: string): string {
  const line = statement.replace(/\s+/g, ' ').trim();
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
}
