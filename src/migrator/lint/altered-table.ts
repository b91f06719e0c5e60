import type { AlterTableCmd, AlterTableStmt, Constraint } from 'libpg-query';
import { addedColumnRisks, scanRisk, uniqueRisk } from './added-column.ts';
import { lastPart, tableOf, written } from './names.ts';
import { alone, type Risk, rest, type TableEffects, workOf } from './risk.ts';

/** What ALTER TABLE does to a table with rows. */
export function alteredTableEffects({ relation, cmds, objtype }: AlterTableStmt): Partial<TableEffects> {
  const table = tableOf(relation);
  if (table === undefined || objtype !== 'OBJECT_TABLE') return {};
  const commands = (cmds ?? []).flatMap((node) => ('AlterTableCmd' in node ? [node.AlterTableCmd] : []));
  const constraints = commands.flatMap((command) => addedConstraint(command) ?? []);
  return {
    risks: commands.flatMap((command) => commandRisks(table, command)),
    addsNotValid: constraints.flatMap(({ skip_validation, conname }) => (skip_validation && conname ? [conname] : [])),
    validates: commands.flatMap(({ subtype, name }) =>
      subtype === 'AT_ValidateConstraint' && name ? [{ name, table }] : [],
    ),
  };
}

function addedConstraint({ subtype, def }: AlterTableCmd): Constraint | undefined {
  return subtype === 'AT_AddConstraint' && def && 'Constraint' in def ? def.Constraint : undefined;
}

function commandRisks(table: string, command: AlterTableCmd): readonly Risk[] {
  const { subtype, def, name = '' } = command;
  switch (subtype) {
    case 'AT_AddColumn':
      return def && 'ColumnDef' in def ? addedColumnRisks(table, def.ColumnDef) : [];
    case 'AT_AddConstraint':
      return def && 'Constraint' in def ? constraintRisks(table, def.Constraint) : [];
    case 'AT_SetNotNull':
      return [notNullRisk(table, name)];
    case 'AT_AlterColumnType':
      return [typeRisk(table, command)];
    case 'AT_DropColumn':
      return [droppedColumnRisk(table, name)];
    case 'AT_AttachPartition':
      return def && 'PartitionCmd' in def ? attachedRisks(tableOf(def.PartitionCmd.name)) : [];
    case 'AT_SetExpression':
      return [rewriteRisk(table, `Changing how ${name} is computed`)];
    case 'AT_SetLogged':
    case 'AT_SetUnLogged':
    case 'AT_SetAccessMethod':
    case 'AT_SetTableSpace':
      return [rewriteRisk(table, 'This change of how it is stored')];
    default:
      return [];
  }
}

function constraintRisks(table: string, constraint: Constraint): readonly Risk[] {
  const { contype, conname, skip_validation, indexname, is_enforced, keys } = constraint;
  const unchecked = skip_validation === true || is_enforced === false;
  switch (contype) {
    case 'CONSTR_FOREIGN':
      return unchecked ? [] : [foreignKeyRisk(table, constraint)];
    case 'CONSTR_CHECK':
      return unchecked ? [] : [scanRisk(table, conname === undefined ? 'The check' : `The check ${conname}`)];
    case 'CONSTR_NOTNULL':
      return unchecked ? [] : [notNullRisk(table, lastPart(keys) ?? '')];
    case 'CONSTR_UNIQUE':
    case 'CONSTR_PRIMARY': {
      const columns = (keys ?? []).map((key) => lastPart([key]) ?? rest);
      return indexname === undefined ? [uniqueRisk(table, columns)] : [];
    }
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

function foreignKeyRisk(table: string, { conname, pktable, fk_attrs }: Constraint): Risk {
  const other = pktable?.relname ?? '';
  const name = conname === undefined ? rest : written(conname);
  return {
    rule: 'adding-foreign-key-constraint',
    severity: 'WARNING',
    table,
    message: `Each row of ${table} is looked up in ${other} while nobody can write to either of them (SHARE ROW EXCLUSIVE), for as long as that takes.`,
    advice: `Add it NOT VALID, and validate it in a later release, when writes go on meanwhile:\nALTER TABLE ${written(table)} ADD CONSTRAINT ${name} FOREIGN KEY (${rest}) REFERENCES ${written(other)} NOT VALID;\nALTER TABLE ${written(table)} VALIDATE CONSTRAINT ${name};`,
    work: {
      kind: 'LOOKUP',
      columns: (fk_attrs ?? []).flatMap((column) => lastPart([column]) ?? []),
      lookedUpIn: { schema: pktable?.schemaname, table: other },
    },
  };
}

function notNullRisk(table: string, column: string): Risk {
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

/** Types whose values are stored alike: a change between them may only touch the catalog, which the old type decides. */
const textTypes: ReadonlySet<string> = new Set(['text', 'varchar']);

function typeRisk(table: string, { name = '', def }: AlterTableCmd): Risk {
  const column = def && 'ColumnDef' in def ? def.ColumnDef : undefined;
  const type = lastPart(column?.typeName?.names) ?? '';
  const mayBeCheap = textTypes.has(type) && column?.raw_default === undefined;
  const [on, from] = [written(table), written(name)];
  return {
    rule: 'changing-column-type',
    severity: mayBeCheap ? 'WARNING' : 'ERROR',
    table,
    message: `Changing the type of ${name} rewrites ${table} and all its indexes${mayBeCheap ? ', unless it was a shorter varchar' : ''}. Nobody can read or write it meanwhile (ACCESS EXCLUSIVE). Processes of the old version do not expect the new type.`,
    advice: `Add a second column, write to both, fill the old rows in small steps, then read the new one and drop the old one:\nALTER TABLE ${on} ADD COLUMN ${written(`${name}_new`)} ${type || rest};\nand when nothing reads the old one:\nALTER TABLE ${on} DROP COLUMN ${from};`,
    work: workOf('REWRITE'),
  };
}

function attachedRisks(partition: string | undefined): readonly Risk[] {
  if (partition === undefined) return [];
  return [
    {
      rule: 'attaching-partition',
      severity: 'WARNING',
      table: partition,
      message: `Each row of ${partition} is checked against the bounds of the partition while nobody can read or write it (ACCESS EXCLUSIVE), for as long as reading the table takes.`,
      advice: `Check the bounds first, which lets reads and writes go on. Then attaching it needs no look at the rows:\nALTER TABLE ${written(partition)} ADD CONSTRAINT ${rest} CHECK (${rest}) NOT VALID;\nin a later release:\nALTER TABLE ${written(partition)} VALIDATE CONSTRAINT ${rest};\nand in a third one the ATTACH PARTITION.`,
      work: workOf('SCAN'),
    },
  ];
}

function droppedColumnRisk(table: string, column: string): Risk {
  return {
    rule: 'ban-drop-column',
    severity: 'WARNING',
    table,
    message: `What is in ${table}.${column} is lost. Processes of the old version that still use it fail until they are gone.`,
    advice: 'Deploy a version that does not use the column first, and drop it in the next release.',
  };
}

/** The risk of a statement that writes a table anew. */
export function rewriteRisk(table: string | undefined, what: string): Risk {
  return {
    rule: 'rewriting-table',
    severity: 'ERROR',
    table,
    message: `${what} rewrites ${table ?? 'the table'} and its indexes, and nobody can read or write it meanwhile (ACCESS EXCLUSIVE).`,
    advice: `Do it while the product may stand still, ${alone}, or build a new table beside the old one.`,
    work: workOf('REWRITE'),
  };
}
