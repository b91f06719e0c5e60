import type { Constraint } from 'libpg-query';
import { lastPart, written } from './names.ts';
import { type Risk, rest, workOf } from './risk.ts';

/**
 * What adding a constraint does to a table with rows.
 * @param statement the statement, if it does nothing else
 */
export function constraintRisks(table: string, constraint: Constraint, statement: string | undefined): readonly Risk[] {
  const { contype, skip_validation, indexname, is_enforced, keys } = constraint;
  const unchecked = skip_validation === true || is_enforced === false;
  switch (contype) {
    case 'CONSTR_FOREIGN':
      return unchecked ? [] : [foreignKeyRisk(table, constraint, statement)];
    case 'CONSTR_CHECK':
      return unchecked ? [] : [checkRisk(table, constraint, statement)];
    case 'CONSTR_NOTNULL':
      return unchecked ? [] : [notNullRisk(table, lastPart(keys) ?? '')];
    case 'CONSTR_UNIQUE':
    case 'CONSTR_PRIMARY':
      return indexname === undefined ? [uniqueRisk(table, constraint)] : [];
    case 'CONSTR_EXCLUSION':
      return [
        {
          rule: 'adding-exclusion-constraint',
          severity: 'WARNING',
          table,
          message: `The constraint's index is built while nobody can read or write ${table} (ACCESS EXCLUSIVE), for as long as comparing its rows takes.`,
          advice:
            'PostgreSQL has no way to add an exclusion constraint beside running writes. Add it while the table is small, or when writes can wait.',
          work: workOf('INDEX'),
        },
      ];
    default:
      return [];
  }
}

/** The risk of a foreign key for which each row is looked up; see {@link constraintRisks}. */
export function foreignKeyRisk(table: string, constraint: Constraint, statement?: string): Risk {
  const { pktable } = constraint;
  const columns = namesOf(constraint.fk_attrs);
  const other = pktable?.relname ?? '';
  const key = `FOREIGN KEY (${columns.map(written).join(', ')}) REFERENCES ${written(other)} ${rest}`;
  return {
    rule: 'adding-foreign-key-constraint',
    severity: 'WARNING',
    table,
    message: `Each row of ${table} is looked up in ${other} while nobody can write to either of them (SHARE ROW EXCLUSIVE), for as long as that takes.`,
    advice: notValid(table, constraint, key, statement),
    work: { kind: 'LOOKUP', columns, lookedUpIn: { schema: pktable?.schemaname, table: other } },
  };
}

/** The risk of a check for which all rows are read while the table is locked; see {@link constraintRisks}. */
export function checkRisk(table: string, constraint: Constraint, statement?: string): Risk {
  const { conname } = constraint;
  return {
    rule: 'constraint-missing-not-valid',
    severity: 'WARNING',
    table,
    message: `${conname === undefined ? 'The check' : `The check ${conname}`} is tried on each row of ${table} while nobody can read or write it (ACCESS EXCLUSIVE), for as long as reading the table takes.`,
    advice: notValid(table, constraint, `CHECK (${rest})`, statement),
    work: workOf('SCAN'),
  };
}

function notValid(table: string, { conname }: Constraint, body: string, statement: string | undefined): string {
  const name = conname === undefined ? rest : written(conname);
  const add = statement ?? `ALTER TABLE ${written(table)} ADD CONSTRAINT ${name} ${body}`;
  return `Add it NOT VALID, and validate it in a later release, when writes go on meanwhile:\n${add} NOT VALID;\nALTER TABLE ${written(table)} VALIDATE CONSTRAINT ${name};`;
}

/** The risk of a constraint whose index is built while the table is locked. */
export function uniqueRisk(table: string, constraint: Constraint): Risk {
  const { contype, conname, keys, including, nulls_not_distinct, deferrable, initdeferred } = constraint;
  const names = namesOf(keys);
  const isPrimary = contype === 'CONSTR_PRIMARY';
  const name = written(conname ?? (isPrimary ? `${table}_pkey` : [table, ...names, 'key'].join('_')));
  const include = including ? ` INCLUDE (${namesOf(including).map(written).join(', ')})` : '';
  const nulls = nulls_not_distinct ? ' NULLS NOT DISTINCT' : '';
  const deferred = `${deferrable ? ' DEFERRABLE' : ''}${initdeferred ? ' INITIALLY DEFERRED' : ''}`;
  return {
    rule: 'disallowed-unique-constraint',
    severity: 'ERROR',
    table,
    message: `The constraint's index is built while nobody can read or write ${table} (ACCESS EXCLUSIVE), for as long as reading and sorting the table takes.`,
    advice: `Build the index first, outside of a transaction, then attach it:\nCREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${written(table)} (${names.map(written).join(', ')})${include}${nulls};\nALTER TABLE ${written(table)} ADD CONSTRAINT ${name} ${isPrimary ? 'PRIMARY KEY' : 'UNIQUE'} USING INDEX ${name}${deferred};`,
    work: workOf('INDEX', names),
  };
}

/** The risk of NOT NULL for a column of a table with rows. */
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

function namesOf(nodes: Constraint['keys'] = []): string[] {
  return nodes.flatMap((node) => lastPart([node]) ?? []);
}
