import type { AppliedMigration } from '../catalog/migration-state.entity.ts';
import type { ErrorCode } from '../errors.ts';
import { compareNames, type MigrationFile } from './migration-files.ts';

/** What is to be done to bring a database forward, or why nothing may be done. */
export type Plan =
  | { readonly kind: 'steps'; readonly steps: readonly MigrationFile[]; readonly warnings: readonly string[] }
  | Refusal;

/** Why a database may not be migrated: what it has does not fit what the code has. */
export interface Refusal {
  readonly kind: 'refusal';
  readonly code: Extract<ErrorCode, 'MIGRATION_CHANGED' | 'MIGRATION_UNKNOWN'>;
  readonly migration: string;
  readonly message: string;
}

/**
 * Tells which migrations are still to be applied, in order. It asks nobody: the same files and history always give the
 * same plan, so that a plan shown is the plan carried out.
 * @param files what the code has, ordered by name
 * @param applied what the database has, in any order
 * @param to the last migration to apply; without it the newest
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
  const late = steps.filter((step) => newest !== undefined && compareNames(step.name, newest) < 0);
  return {
    kind: 'steps',
    steps,
    warnings: late.map((step) => `${step.name} is dated before ${newest}, which is applied already`),
  };
}

function refuse(files: readonly MigrationFile[], applied: readonly AppliedMigration[]): Refusal | undefined {
  const byName = new Map(files.map((file) => [file.name, file]));
  for (const { name, hash } of [...applied].sort((a, b) => compareNames(a.name, b.name))) {
    const file = byName.get(name);
    if (!file) {
      return {
        kind: 'refusal',
        code: 'MIGRATION_UNKNOWN',
        migration: name,
        message: `${name} has been applied, but the code has no such migration. Deploy the code that has it, or put the file back.`,
      };
    }
    if (file.hash !== hash) {
      return {
        kind: 'refusal',
        code: 'MIGRATION_CHANGED',
        migration: name,
        message: `${name} has been changed since it was applied: its hash was ${hash} and is now ${file.hash}. Put the file back as it was and write a new migration for the change.`,
      };
    }
  }
  return undefined;
}
