import type { Constraint } from 'libpg-query';
import { lastPart, written } from './names.ts';
import { type Risk, rest, workOf } from './risk.ts';

/**
 * The risks of a constraint that ALTER TABLE adds to a table with rows.
 * @param text the statement, if it adds nothing else
 */
export function addedConstraintRisks(table: string, constraint: Constraint, text: string | undefined): readonly Risk[] {
  const { contype, conname, skip_validation, indexname, is_enforced, keys } = constraint;
  const unchecked = skip_validation === true || is_enforced === false;
  switch (contype) {
    case 'CONSTR_FOREIGN':
      return unchecked ? [] : [foreignKeyRisk(table, constraint, text)];
    case 'CONSTR_CHECK':
      return unchecked
        ? []
        : [scanRisk(table, conname === undefined ? 'The check' : `The check ${conname}`, conname, text)];
    case 'CONSTR_NOTNULL':
      return unchecked ? [] : [notNullRisk(table, lastPart(keys) ?? '')];
    case 'CONSTR_UNIQUE':
    case 'CONSTR_PRIMARY':
      return indexname === undefined ? [uniqueRisk(table, constraint)] : [];
    case 'CONSTR_EXCLUSION':
      return [exclusionRisk(table)];
    default:
      return [];
  }
}

/** The statements that add a constraint in two steps, of which the first reads no rows. */
function notValidSql(table: string, name: string | undefined, text: string | undefined, definition: string): string {
  const constraint = name === undefined ? rest : written(name);
  const add = text ?? `ALTER TABLE ${written(table)} ADD CONSTRAINT ${constraint} ${definition}`;
  return `Add it NOT VALID, and validate it in a later release, when writes go on meanwhile:\n${add} NOT VALID;\nALTER TABLE ${written(table)} VALIDATE CONSTRAINT ${constraint};`;
}

/**
 * The risk of a check for which all rows are read while the table is locked.
 * @param text the statement, if it adds nothing but the check
 */
export function scanRisk(table: string, what: string, name?: string, text?: string): Risk {
  return {
    rule: 'constraint-missing-not-valid',
    severity: 'WARNING',
    table,
    message: `${what} is tried on each row of ${table} while nobody can read or write it (ACCESS EXCLUSIVE), for as long as reading the table takes.`,
    advice: notValidSql(table, name, text, `CHECK (${rest})`),
    work: workOf('SCAN'),
  };
}

/**
 * The risk of a foreign key, for which all rows are looked up.
 * @param text the statement, if it adds nothing but the key
 */
export function foreignKeyRisk(table: string, { conname, pktable, fk_attrs }: Constraint, text?: string): Risk {
  const other = pktable?.relname ?? '';
  const columns = (fk_attrs ?? []).flatMap((column) => lastPart([column]) ?? []);
  const key = `FOREIGN KEY (${columns.map(written).join(', ')}) REFERENCES ${written(other)} ${rest}`;
  return {
    rule: 'adding-foreign-key-constraint',
    severity: 'WARNING',
    table,
    message: `Each row of ${table} is looked up in ${other} while nobody can write to either of them (SHARE ROW EXCLUSIVE), for as long as that takes.`,
    advice: notValidSql(table, conname, text, key),
    work: { kind: 'LOOKUP', columns, lookedUpIn: { schema: pktable?.schemaname, table: other } },
  };
}

/** The risk of a column that must have a value, for which all rows are read. */
export function notNullRisk(table: string, column: string): Risk {
  const [on, name] = [written(table), written(column)];
  const check = written(`${table}_${column}_not_null`);
  return {
    rule: 'adding-not-nullable-field',
    severity: 'WARNING',
    table,
    message: `${column} is looked at in each row of ${table} while nobody can read or write it (ACCESS EXCLUSIVE), for as long as reading the table takes. It fails in each tenant that has a NULL there.`,
    advice: `Check it first, which lets writes go on. Then SET NOT NULL needs no look at the rows:\nALTER TABLE ${on} ADD CONSTRAINT ${check} CHECK (${name} IS NOT NULL) NOT VALID;\nin a later release:\nALTER TABLE ${on} VALIDATE CONSTRAINT ${check};\nand in a third one:\nALTER TABLE ${on} ALTER COLUMN ${name} SET NOT NULL;\nALTER TABLE ${on} DROP CONSTRAINT ${check};`,
    work: workOf('SCAN', [column]),
  };
}

/** The risk of a constraint whose index is built while the table is locked. */
export function uniqueRisk(table: string, constraint: Constraint): Risk {
  const { contype, conname, keys, including, nulls_not_distinct, without_overlaps } = constraint;
  if (without_overlaps) return exclusionRisk(table);
  const names = namesOf(keys);
  const isPrimary = contype === 'CONSTR_PRIMARY';
  const name = written(conname ?? (isPrimary ? `${table}_pkey` : [table, ...names, 'key'].join('_')));
  const include = including ? ` INCLUDE (${namesOf(including).map(written).join(', ')})` : '';
  const nulls = nulls_not_distinct ? ' NULLS NOT DISTINCT' : '';
  const columns = names.map(written).join(', ');
  const deferred = constraint.initdeferred ? ' INITIALLY DEFERRED' : '';
  const kind = isPrimary ? 'PRIMARY KEY' : 'UNIQUE';
  return {
    rule: 'disallowed-unique-constraint',
    severity: 'ERROR',
    table,
    message: `The constraint's index is built while nobody can read or write ${table} (ACCESS EXCLUSIVE), for as long as reading and sorting the table takes.`,
    advice: `Build the index first, outside of a transaction, then attach it:\nCREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${written(table)} (${columns})${include}${nulls};\nALTER TABLE ${written(table)} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}${constraint.deferrable ? ' DEFERRABLE' : ''}${deferred};`,
    work: workOf('INDEX', names),
  };
}

function namesOf(keys: Constraint['keys']): readonly string[] {
  return (keys ?? []).map((key) => lastPart([key]) ?? rest);
}

function exclusionRisk(table: string): Risk {
  return {
    rule: 'adding-exclusion-constraint',
    severity: 'WARNING',
    table,
    message: `The constraint's index is built while nobody can read or write ${table} (ACCESS EXCLUSIVE), for as long as comparing its rows takes.`,
    advice:
      'PostgreSQL has no way to add an exclusion constraint beside running writes. Add it while the table is small, or when writes can wait.',
    work: workOf('INDEX'),
  };
}
