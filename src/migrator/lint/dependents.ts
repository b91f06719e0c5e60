import type { AlterDomainStmt, AlterTableCmd, DropStmt, TruncateStmt } from 'libpg-query';
import { lastPart, written } from './names.ts';
import { type Risk, rest } from './risk.ts';

/** What ALTER DOMAIN does to the tables with columns of the domain. */
export function alteredDomainRisks({ subtype, typeName, def }: AlterDomainStmt): readonly Risk[] {
  const constraint = def && 'Constraint' in def ? def.Constraint : undefined;
  const addsCheck = subtype === 'C' && constraint?.skip_validation !== true;
  if (!addsCheck && subtype !== 'O') return [];
  const domain = written(lastPart(typeName) ?? rest);
  return [
    {
      rule: 'ban-alter-domain-with-add-constraint',
      severity: 'WARNING',
      table: undefined,
      message: `Each table that has a column of ${domain} is read while nobody can write to it (SHARE), one after the other, until the end of the tenant's transaction.`,
      advice: `Add it NOT VALID, and validate it in a later release:\nALTER DOMAIN ${domain} ADD CONSTRAINT ${rest} CHECK (${rest}) NOT VALID;\nALTER DOMAIN ${domain} VALIDATE CONSTRAINT ${rest};`,
    },
  ];
}

/** What CASCADE drops or empties beside what the statement names. */
export function cascadeRisks(
  { behavior }: Pick<AlterTableCmd | DropStmt | TruncateStmt, 'behavior'>,
  verb: 'drop' | 'empty',
): readonly Risk[] {
  if (behavior !== 'DROP_CASCADE') return [];
  const isDrop = verb === 'drop';
  return [
    {
      rule: isDrop ? 'ban-drop-cascade' : 'ban-truncate-cascade',
      severity: 'WARNING',
      table: undefined,
      message: isDrop
        ? 'CASCADE drops everything that depends on it, which the statement does not name: columns, defaults, foreign keys, views, functions.'
        : 'CASCADE empties all tables that refer to it with foreign keys, which the statement does not name.',
      advice: isDrop
        ? 'Drop what depends on it with statements of its own, and leave out CASCADE.'
        : 'Name all tables that are to be emptied, and leave out CASCADE.',
    },
  ];
}
