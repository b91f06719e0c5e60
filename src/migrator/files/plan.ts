import type { DownTarget } from '../../catalog/entities/migration-run.entity.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { compareNames, type MigrationFile, shortHash } from './migration-file.ts';
import { transactionWarnings } from './parts.ts';

/** The steps to apply or to revert, or the reason why a database must not be migrated. */
export type Plan =
  | {
      readonly kind: 'steps';
      /** In the order in which they are carried out. */
      readonly steps: readonly MigrationFile[];
      readonly warnings: readonly string[];
    }
  | Refusal;

/** Why a database must not be migrated: its history doesn't match the code, or a step cannot be applied at all. */
export interface Refusal {
  readonly kind: 'refusal';
  readonly code: Extract<
    ErrorCode,
    'MIGRATION_CHANGED' | 'MIGRATION_UNKNOWN' | 'IRREVERSIBLE' | 'CONFLICT' | 'BAD_USER_INPUT'
  >;
  readonly migration: string;
  readonly message: string;
  /** With MIGRATION_CHANGED: the full recorded hash, and the file's. */
  readonly hashes?: { readonly recordedHash: string; readonly fileHash: string };
}

/**
 * Plans which migrations to apply, in order. It is a pure function: the same files and history always give the same
 * plan, so the plan that is shown is the plan that is carried out.
 * @param files the code's migrations, ordered by name
 * @param applied the database's migrations, in any order
 * @param to the last migration to apply; if omitted, the newest
 */
export function planUp(files: readonly MigrationFile[], applied: readonly AppliedMigration[], to?: string): Plan {
  const refusal = refuse(files, applied);
  if (refusal) return refusal;
  const has = new Set(applied.map(({ name }) => name));
  const newest = applied
    .map(({ name }) => name)
    .sort(compareNames)
    .at(-1);
  const steps = files.filter((file) => !has.has(file.name) && (to === undefined || compareNames(file.name, to) <= 0));
  const impossible = steps.find(({ obstacle }) => obstacle !== undefined);
  if (impossible) {
    const { name, obstacle } = impossible;
    return { kind: 'refusal', code: 'BAD_USER_INPUT', migration: name, message: `${name} ${obstacle}` };
  }
  const late = steps.filter((step) => newest !== undefined && compareNames(step.name, newest) < 0);
  return {
    kind: 'steps',
    steps,
    warnings: [
      ...late.map((step) => `${step.name} is dated before ${newest}, which is already applied`),
      ...transactionWarnings(steps),
    ],
  };
}

/** An applied migration, and the run that applied it. */
export interface AppliedByRun extends AppliedMigration {
  /** Null if it was not applied by a run. */
  readonly run: string | null;
}

/**
 * Plans which migrations to revert, the last one first. Like {@link planUp}, it is a pure function.
 * @param files the code's migrations
 * @param applied the database's migrations, in order of application
 */
export function planDown(files: readonly MigrationFile[], applied: readonly AppliedByRun[], target: DownTarget): Plan {
  const chosen = chooseReverts(applied, target);
  const refusal = refuse(files, chosen) ?? refuseNewer(applied, chosen, target) ?? refuseIrreversible(files, chosen);
  if (refusal) return refusal;
  const byName = new Map(files.map((file) => [file.name, file]));
  return { kind: 'steps', steps: chosen.flatMap(({ name }) => byName.get(name) ?? []).reverse(), warnings: [] };
}

function chooseReverts(applied: readonly AppliedByRun[], target: DownTarget): readonly AppliedByRun[] {
  switch (target.kind) {
    case 'steps':
      return applied.slice(Math.max(0, applied.length - target.steps));
    case 'to':
      return applied.filter(({ name }) => compareNames(name, target.to) > 0);
    case 'run':
      return applied.filter(({ run }) => run === target.run);
  }
}

/** A run is undone only if no other migration was applied after its first one, because that may depend on it. */
function refuseNewer(
  applied: readonly AppliedByRun[],
  chosen: readonly AppliedByRun[],
  target: DownTarget,
): Refusal | undefined {
  const first = chosen[0];
  if (target.kind !== 'run' || !first) return undefined;
  const newer = applied.slice(applied.indexOf(first)).find((migration) => !chosen.includes(migration));
  if (!newer) return undefined;
  return {
    kind: 'refusal',
    code: 'CONFLICT',
    migration: newer.name,
    message: `${newer.name} was applied after ${first.name} and may depend on it. Revert it first.`,
  };
}

function refuseIrreversible(files: readonly MigrationFile[], chosen: readonly AppliedMigration[]): Refusal | undefined {
  const names = new Set(chosen.map(({ name }) => name));
  const step = files.find(({ name, reversible }) => names.has(name) && !reversible);
  if (!step) return undefined;
  const what = step.backfill ? 'is a backfill and has no down(), so the rows that it changed' : 'has no down(), so it';
  return {
    kind: 'refusal',
    code: 'IRREVERSIBLE',
    migration: step.name,
    message: `${step.name} ${what} cannot be reverted. Write a new migration that undoes its changes.`,
  };
}

function refuse(files: readonly MigrationFile[], applied: readonly AppliedMigration[]): Refusal | undefined {
  const byName = new Map(files.map((file) => [file.name, file]));
  const has = new Set(applied.map(({ name }) => name));
  for (const { name, hash } of [...applied].sort((a, b) => compareNames(a.name, b.name))) {
    const file = byName.get(name);
    if (!file) {
      const renamed = files.find((candidate) => candidate.hash === hash && !has.has(candidate.name));
      if (renamed) return refuseRenamed(name, renamed);
      return {
        kind: 'refusal',
        code: 'MIGRATION_UNKNOWN',
        migration: name,
        message: `${name} has been applied, but the code has no such migration. Deploy the code that has it, or restore the file.`,
      };
    }
    if (file.hash !== hash) {
      return {
        kind: 'refusal',
        code: 'MIGRATION_CHANGED',
        migration: name,
        message: `${name} has been changed since it was applied: its hash was ${shortHash(hash)} and is now ${shortHash(file.hash)}. Restore the file and write a new migration for the change. If the change is intended, accept it with \`tenantry migrate accept ${name}\` or the mutation acceptMigrationHash.`,
        hashes: { recordedHash: hash, fileHash: file.hash },
      };
    }
  }
  return undefined;
}

/** A file that was only renamed must not be applied again under its new name. */
function refuseRenamed(name: string, file: MigrationFile): Refusal {
  return {
    kind: 'refusal',
    code: 'MIGRATION_UNKNOWN',
    migration: name,
    message: `${name} has been applied, and the code has the same file as ${file.name}. Rename it back, or accept the new name with \`tenantry migrate accept ${file.name}\` or the mutation acceptMigrationHash.`,
  };
}
