import type { AlterTableCmd, AlterTableStmt, Constraint } from 'libpg-query';
import { addedColumnRisks } from './added-column.ts';
import { addedConstraintRisks, notNullRisk } from './constraints.ts';
import { cascadeRisks } from './dependents.ts';
import { lastPart, tableOf, typeOf, written } from './names.ts';
import { alone, type Risk, rest, type TableEffects, workOf } from './risk.ts';

/**
 * What ALTER TABLE does to a table with rows.
 * @param text the statement, for advice that repeats it
 */
export function alteredTableEffects({ relation, cmds, objtype }: AlterTableStmt, text: string): Partial<TableEffects> {
  const table = tableOf(relation);
  if (table === undefined || objtype !== 'OBJECT_TABLE') return {};
  const commands = (cmds ?? []).flatMap((node) => ('AlterTableCmd' in node ? [node.AlterTableCmd] : []));
  const statement = commands.length === 1 ? text : undefined;
  const constraints = commands.flatMap((command) => addedConstraint(command) ?? []);
  return {
    risks: commands.flatMap((command) => [
      ...commandRisks(table, command, statement),
      ...cascadeRisks(command, 'drop').map((risk) => ({ ...risk, table })),
    ]),
    addsNotValid: constraints.flatMap(({ skip_validation, conname }) => (skip_validation && conname ? [conname] : [])),
    validates: commands.flatMap(({ subtype, name }) =>
      subtype === 'AT_ValidateConstraint' && name ? [{ name, table }] : [],
    ),
  };
}

function addedConstraint({ subtype, def }: AlterTableCmd): Constraint | undefined {
  return subtype === 'AT_AddConstraint' && def && 'Constraint' in def ? def.Constraint : undefined;
}

/** @param statement the statement, if it has no other command */
function commandRisks(table: string, command: AlterTableCmd, statement: string | undefined): readonly Risk[] {
  const { subtype, def, name = '' } = command;
  switch (subtype) {
    case 'AT_AddColumn':
      return def && 'ColumnDef' in def ? addedColumnRisks(table, def.ColumnDef) : [];
    case 'AT_AddConstraint':
      return def && 'Constraint' in def ? addedConstraintRisks(table, def.Constraint, statement) : [];
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
    advice: `Add a second column, write to both, fill the old rows in small steps, then read the new one and drop the old one:\nALTER TABLE ${on} ADD COLUMN ${written(`${name}_new`)} ${(column?.typeName && typeOf(column.typeName)) ?? rest};\nand when nothing reads the old one:\nALTER TABLE ${on} DROP COLUMN ${from};`,
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
