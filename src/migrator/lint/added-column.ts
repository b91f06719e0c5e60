import type { ColumnDef, Constraint, FuncCall, Node } from 'libpg-query';
import { foreignKeyRisk, scanRisk, uniqueRisk } from './constraints.ts';
import { lastPart, typeOf, written } from './names.ts';
import { type Risk, rest, workOf } from './risk.ts';
import { stableFunctions } from './stable-functions.ts';

/** The pseudo-types that stand for a sequence, and the types of their columns. */
const serialTypes: ReadonlyMap<string, string> = new Map([
  ['smallserial', 'smallint'],
  ['serial2', 'smallint'],
  ['serial', 'integer'],
  ['serial4', 'integer'],
  ['bigserial', 'bigint'],
  ['serial8', 'bigint'],
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
      advice: generated ? generatedAdvice(table, column) : filledAdvice(table, column, value !== undefined),
      work: workOf('REWRITE'),
    });
  }
  if (has('CONSTR_NOTNULL') && !isFilled) {
    risks.push({
      rule: 'adding-required-field',
      severity: 'ERROR',
      table,
      message: `${name} is NOT NULL without a default, so the statement fails in each tenant in which ${table} has a row.`,
      advice: `Give it a constant default, or add it without NOT NULL and fill it first:\nALTER TABLE ${written(table)} ADD COLUMN ${name} ${shownType(column)} NOT NULL DEFAULT ${rest};`,
    });
  }
  const keys = [{ String: { sval: column.colname ?? '' } }];
  const unique = has('CONSTR_UNIQUE') ?? has('CONSTR_PRIMARY');
  if (unique) risks.push(uniqueRisk(table, { ...unique, keys }));
  // PostgreSQL tries it on each row even where the column has no value.
  if (has('CONSTR_CHECK')) risks.push(scanRisk(table, `The check of ${name}`));
  // There is nothing to look up where the column is NULL in all rows.
  const foreignKey = has('CONSTR_FOREIGN');
  if (foreignKey && isFilled) risks.push(foreignKeyRisk(table, { ...foreignKey, fk_attrs: keys }));
  return risks;
}

function shownType({ typeName }: ColumnDef): string {
  return serialTypes.get(lastPart(typeName?.names) ?? '') ?? (typeName && typeOf(typeName)) ?? rest;
}

/** @param hasDefault whether the column has a default of its own, and not the next value of a sequence */
function filledAdvice(table: string, column: ColumnDef, hasDefault: boolean): string {
  const [on, name] = [written(table), written(column.colname ?? '')];
  const sequence = written(`${table}_${column.colname}_seq`);
  const lines = [
    'Add the column without a value, set the default for new rows, and fill the old rows in small steps:',
    `ALTER TABLE ${on} ADD COLUMN ${name} ${shownType(column)};`,
    ...(hasDefault ? [] : [`CREATE SEQUENCE ${sequence} OWNED BY ${on}.${name};`]),
    `ALTER TABLE ${on} ALTER COLUMN ${name} SET DEFAULT ${hasDefault ? rest : `nextval('${sequence.replaceAll("'", "''")}')`};`,
  ];
  return lines.join('\n');
}

function generatedAdvice(table: string, column: ColumnDef): string {
  const name = written(column.colname ?? '');
  return `Let PostgreSQL 18 compute it when it is read, or write an ordinary column with a trigger, and fill the old rows in small steps:\nALTER TABLE ${written(table)} ADD COLUMN ${name} ${shownType(column)} GENERATED ALWAYS AS (${rest}) VIRTUAL;`;
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
