/** A comment that silences a rule for the statement that follows it: `-- tenantry: allow RULE because REASON`. */
export interface Allowance {
  readonly rule: string;
  readonly reason: string;
}

const marker = '-- tenantry: allow ';
const because = ' because ';

/**
 * The allowances in the comments of a statement.
 * @param comments its SQL comments, and those between it and the statement before
 */
export function allowancesIn(comments: readonly string[]): readonly Allowance[] {
  return comments.flatMap((comment) => {
    const line = comment.trim().replace(/^--\s*/, '-- ');
    if (!line.startsWith(marker)) return [];
    const said = line.slice(marker.length);
    const end = said.indexOf(because);
    return end < 0
      ? [{ rule: said.trim(), reason: '' }]
      : [{ rule: said.slice(0, end).trim(), reason: said.slice(end + because.length).trim() }];
  });
}
