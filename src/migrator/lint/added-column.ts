import type { ColumnDef, Constraint, Node } from 'libpg-query';
import { lastPart, written } from './names.ts';
import { type Risk, rest, workOf } from './risk.ts';

/** Functions whose value is the same for all rows of a statement, so that PostgreSQL stores a default only once. */
const stableFunctions: ReadonlySet<string> = new Set([
  'now',
  'transaction_timestamp',
  'statement_timestamp',
  'current_setting',
  'lower',
  'upper',
  'to_timestamp',
  'make_interval',
]);

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
  if (has('CONSTR_UNIQUE') || has('CONSTR_PRIMARY')) risks.push(uniqueRisk(table, [column.colname ?? '']));
  if (has('CONSTR_CHECK') && isFilled) risks.push(scanRisk(table, `The check of ${name}`));
  return risks;
}

/** The risk of a constraint whose index is built while the table is locked. */
export function uniqueRisk(table: string, names: readonly string[]): Risk {
  const columns = names.map(written).join(', ');
  const index = written(`${table}_${columns.replace(/\W+/g, '_')}_key`);
  return {
    rule: 'disallowed-unique-constraint',
    severity: 'ERROR',
    table,
    message: `The constraint's index is built while nobody can read or write ${table} (ACCESS EXCLUSIVE), for as long as reading and sorting the table takes.`,
    advice: `Build the index first, outside of a transaction, then attach it:\nCREATE UNIQUE INDEX CONCURRENTLY ${index} ON ${written(table)} (${columns});\nALTER TABLE ${written(table)} ADD CONSTRAINT ${index} UNIQUE USING INDEX ${index};`,
    work: workOf('INDEX', names),
  };
}

/** The risk of a check for which all rows are read while the table is locked. */
export function scanRisk(table: string, what: string): Risk {
  return {
    rule: 'constraint-missing-not-valid',
    severity: 'WARNING',
    table,
    message: `${what} is tried on each row of ${table} while nobody can read or write it (ACCESS EXCLUSIVE), for as long as reading the table takes.`,
    advice: `Add it NOT VALID, and validate it in a later release, when writes go on meanwhile:\nALTER TABLE ${written(table)} ADD CONSTRAINT ${rest} CHECK (${rest}) NOT VALID;\nALTER TABLE ${written(table)} VALIDATE CONSTRAINT ${rest};`,
    work: workOf('SCAN'),
  };
}

/** Whether a default may have another value in each row. */
function mayDifferByRow(expression: Node): boolean {
  const open: unknown[] = [expression];
  while (open.length > 0) {
    const current = open.pop();
    if (typeof current !== 'object' || current === null) continue;
    for (const [key, value] of Object.entries(current)) {
      // In PostgreSQL's parse trees, a field of this name is always such a node.
      if (key === 'FuncCall' && !stableFunctions.has(lastPart((value as { funcname?: Node[] }).funcname) ?? ''))
        return true;
      open.push(value);
    }
  }
  return false;
}
