import type { MigrationFile } from '../files/migration-file.ts';
import { shortened } from '../files/obstacles.ts';
import type { SourceStatement } from '../files/source-statements.ts';
import type { Allowance } from './allowances.ts';
import {
  type LintRule,
  lintRules,
  type Risk,
  type TableEffects,
  type TableWork,
  type WarningSeverity,
  workOf,
} from './risk.ts';

/** A statement that can harm a table that has rows and is in use. */
export interface MigrationWarning {
  readonly migration: string;
  readonly rule: LintRule;
  readonly severity: WarningSeverity;
  /** What is locked, rewritten or lost, and for how long in principle. */
  readonly message: string;
  /** The safe way, with SQL to copy where there is some. */
  readonly advice: string;
  /** The table; undefined if the statement does not name it. */
  readonly table: string | undefined;
  /** What is done for all rows of the table; undefined if it takes as long whatever the table's size. */
  readonly work?: TableWork | undefined;
  /** The line of the file, from 1; undefined if the file doesn't hold the statement literally. */
  readonly line: number | undefined;
  /** The beginning of the statement. */
  readonly statement: string;
  /** The reason of the comment that allows it; undefined if there is none. */
  readonly allowedBecause: string | undefined;
}

/**
 * Reports what the migrations of a batch can do to tables with rows. Tables that the batch creates have none. What each
 * run guarantees is not reported: statements give up waiting for a lock, and a tenant that fails is as it was before.
 * @param batch the migrations that are applied together, in order
 */
export function lintBatch(batch: readonly MigrationFile[]): readonly MigrationWarning[] {
  const found: MigrationWarning[] = [];
  const created = new Set<string>();
  const notValid = new Set<string>();
  for (const file of batch) {
    if (!file.transactional || file.backfill) notValid.clear();
    // Its statement never runs for all rows of a table in use.
    if (file.backfill) continue;
    for (const statement of file.parsed.up ?? []) {
      const { creates, risks, addsNotValid, validates } = statement.effects;
      for (const table of creates) created.add(table);
      for (const name of addsNotValid) notValid.add(name);
      const validated = file.transactional ? validates.filter(({ name }) => notValid.has(name)) : [];
      const all = [...risks, ...validated.map(validatedTooEarly)];
      const dangerous = all.filter(({ table }) => table === undefined || !created.has(table));
      found.push(...warningsOf(file.name, statement, all, dangerous));
    }
  }
  return found;
}

/** Whether a warning must be dealt with before the migration is deployed. */
export function isOpen({ allowedBecause, severity }: MigrationWarning): boolean {
  return allowedBecause === undefined && severity !== 'INFO';
}

function warningsOf(
  migration: string,
  { text, line, allowances }: SourceStatement,
  all: readonly Risk[],
  dangerous: readonly Risk[],
): MigrationWarning[] {
  const at = { migration, line, statement: shortened(text) };
  const warnings = dangerous.map((risk) => ({ ...risk, ...at, allowedBecause: reasonFor(risk.rule, allowances) }));
  const unused = allowances.filter(({ rule, reason }) => reason === '' || !all.some((risk) => risk.rule === rule));
  return [
    ...warnings,
    ...unused.map((allowance) => ({ ...unusedAllowance(allowance), ...at, allowedBecause: undefined })),
  ];
}

function reasonFor(rule: LintRule, allowances: readonly Allowance[]): string | undefined {
  return allowances.find((allowance) => allowance.rule === rule && allowance.reason !== '')?.reason;
}

function validatedTooEarly({ name, table }: TableEffects['validates'][number]): Risk {
  return {
    rule: 'validating-in-same-batch',
    severity: 'WARNING',
    table,
    message: `${name} is added and validated in one transaction, so its lock lasts for as long as reading the table takes, as if it had been added without NOT VALID.`,
    advice: 'Validate it in a later release, or in a file of its own, and run both with --separate-transactions.',
    work: workOf('SCAN'),
  };
}

function whyUnused(rule: string, reason: string): string {
  if (!lintRules.some((known) => known === rule)) return `The comment allows ${rule}, but there is no such rule.`;
  if (reason === '') return `The comment that allows ${rule} gives no reason, so it counts for nothing.`;
  return `The comment allows ${rule}, which this statement does not break.`;
}

function unusedAllowance({ rule, reason }: Allowance): Risk {
  return {
    rule: 'unused-allowance',
    severity: 'WARNING',
    table: undefined,
    message: whyUnused(rule, reason),
    advice:
      'Write -- tenantry: allow RULE because REASON in the SQL before the statement, with the rule that is reported.',
  };
}
