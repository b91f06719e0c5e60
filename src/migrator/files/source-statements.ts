import type { Statement, StatementParser } from '../../postgres/sql/statements.ts';
import { type Allowance, allowancesIn } from '../lint/allowances.ts';
import type { TableEffects } from '../lint/risk.ts';
import { tableEffectsOf } from '../lint/statement-effects.ts';
import { foreignObjectIn, foreignToCommonIn } from './foreign-objects.ts';
import type { SourceLines } from './source-lines.ts';

/** A statement of a migration. */
export interface SourceStatement extends Statement {
  /** The line of the file in which it starts, from 1; undefined if the file doesn't hold it as it is sent. */
  readonly line: number | undefined;
  /** Why it must not be in a tenant's migration: it leaves the tenant's schema. Undefined if it stays inside. */
  readonly leavesSchema: string | undefined;
  /** Why it must not be in a migration of `common`. Undefined if it may. */
  readonly leavesCommon: string | undefined;
  /** What it does to tables. */
  readonly effects: TableEffects;
  /** The comments that allow what it does. */
  readonly allowances: readonly Allowance[];
}

/**
 * Parses the texts that a migration adds.
 * @param lines finds the texts in the migration's file, if that is known
 */
export function readStatements(
  texts: readonly string[],
  parse: StatementParser,
  lines?: SourceLines,
): readonly SourceStatement[] {
  return texts.flatMap((text) => {
    const position = lines?.next(text);
    // The parse tree is not kept: that of a file with many rows takes much memory.
    return parse(text).map(({ tree, start, comments, ...statement }) => ({
      ...statement,
      line: position?.lineAt(start),
      leavesSchema: tree && foreignObjectIn({ ...tree }),
      leavesCommon: tree && foreignToCommonIn({ ...tree }),
      effects: tableEffectsOf(tree, statement.text),
      allowances: allowancesIn(comments),
    }));
  });
}
