import type { ColumnDef, Constraint, FuncCall, Node } from 'libpg-query';
import { foreignKeyRisk, scanRisk, uniqueRisk } from './constraints.ts';
import { lastPart, written } from './names.ts';
import { type Risk, rest, workOf } from './risk.ts';
import { stableFunctions } from './stable-functions.ts';

const serialTypes: ReadonlySet<string> = new Set([
  'serial',
  'serial2',
  'serial4',
  'serial8',
  'smallserial',
  'bigserial',
]);

/**
 * What ALTER TABLE … ADD COLUMN does to a table with rows.
 * @see https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 */
export function addedColumnRisks(table: string, column: ColumnDef): readonly Risk[] {
  const name = written(column.colname ?? '');
  const constraints = (column.constraints ?? []).flatMap((node) => ('Constraint' in node ? [node.Constraint] : []));
  const has = (kind: Constraint['contype']) => constraints.find(({ contype }) => contype === kind);
  const type = lastPart(column.typeName?.names) ?? '';
  const value = has('CONSTR_DEFAULT')?.raw_expr;
  const generated = has('CONSTR_GENERATED');
  const computes =
    (value !== undefined && mayDifferByRow(value)) ||
    serialTypes.has(type) ||
    has('CONSTR_IDENTITY') !== undefined ||
    (generated !== undefined && generated.generated_kind !== 'v');
  const isFilled = value !== undefined || computes || generated !== undefined;
  const risks: Risk[] = [];
  if (computes) {
    risks.push({
      rule: 'adding-field-with-default',
      severity: 'ERROR',
      table,
      message: `Adding ${name} computes a value for each row: PostgreSQL rewrites ${table} and all its indexes, and nobody can read or write it meanwhile (ACCESS EXCLUSIVE).`,
      advice: `Add the column without a value, set the default for new rows, and fill the old rows in small steps:\nALTER TABLE ${written(table)} ADD COLUMN ${name} ${rest};\nALTER TABLE ${written(table)} ALTER COLUMN ${name} SET DEFAULT ${rest};`,
      work: workOf('REWRITE'),
    });
  }
  if (has('CONSTR_NOTNULL') && !isFilled) {
    risks.push({
      rule: 'adding-required-field',
      severity: 'ERROR',
      table,
      message: `${name} is NOT NULL without a default, so the statement fails in each tenant in which ${table} has a row.`,
      advice: `Give it a constant default, or add it without NOT NULL and fill it first:\nALTER TABLE ${written(table)} ADD COLUMN ${name} ${rest} NOT NULL DEFAULT ${rest};`,
    });
  }
  const named = { String: { sval: column.colname ?? '' } };
  const unique = has('CONSTR_UNIQUE') ?? has('CONSTR_PRIMARY');
  if (unique) risks.push(uniqueRisk(table, { ...unique, keys: [named] }));
  if (has('CONSTR_CHECK') && isFilled) risks.push(scanRisk(table, `The check of ${name}`));
  const foreign = has('CONSTR_FOREIGN');
  // There is nothing to look up where the column is NULL in all rows.
  if (foreign && isFilled) risks.push(foreignKeyRisk(table, { ...foreign, fk_attrs: [named] }));
  return risks;
}

/** Whether a default may have another value in each row. */
function mayDifferByRow(expression: Node): boolean {
  const open: unknown[] = [expression];
  while (open.length > 0) {
    const current = open.pop();
    if (typeof current !== 'object' || current === null) continue;
    for (const [key, value] of Object.entries(current)) {
      // In PostgreSQL's parse trees, a field of this name is always such a node.
      if (key === 'FuncCall' && !isStable((value as FuncCall).funcname ?? [])) return true;
      open.push(value);
    }
  }
  return false;
}

function isStable(name: readonly Node[]): boolean {
  const isOwn = name.length > 1 && lastPart(name.slice(0, 1)) !== 'pg_catalog';
  return !isOwn && stableFunctions.has(lastPart(name) ?? '');
}
