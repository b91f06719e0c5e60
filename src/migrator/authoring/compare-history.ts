import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import { compareNames, type MigrationFile, shortHash } from '../files/migration-file.ts';

/** The applied migrations according to one history. */
export interface RecordedMigrations {
  /** The history's name in messages, such as `the fleet` or `origin/main`. */
  readonly source: string;
  readonly applied: readonly AppliedMigration[];
}

/** A mismatch between a file and a history. */
export interface Mismatch {
  readonly kind: 'CHANGED' | 'MISSING' | 'MISORDERED';
  readonly migration: string;
  readonly message: string;
}

/**
 * Finds the files that don't match what has been applied: changed, missing, or new but dated before an applied one.
 * Each is reported once, even if several histories show it. It does no I/O.
 */
export function compareRecorded(
  files: readonly MigrationFile[],
  histories: readonly RecordedMigrations[],
): readonly Mismatch[] {
  const found = histories.flatMap((history) => [...mismatches(files, history)]);
  const first = new Map(found.toReversed().map((mismatch) => [`${mismatch.kind} ${mismatch.migration}`, mismatch]));
  return [...first.values()].sort((a, b) => compareNames(a.migration, b.migration));
}

function* mismatches(files: readonly MigrationFile[], { source, applied }: RecordedMigrations): Generator<Mismatch> {
  const byName = new Map(files.map((file) => [file.name, file]));
  for (const { name, hash } of applied) {
    const file = byName.get(name);
    if (!file) {
      const message = `${name} has been applied according to ${source}, but the code has no such migration. Restore the file.`;
      yield { kind: 'MISSING', migration: name, message };
    } else if (file.hash !== hash) {
      const message = `${name} has been changed: according to ${source} its hash was ${shortHash(hash)} when it was applied, and is now ${shortHash(file.hash)}. Restore the file and write a new migration for the change.`;
      yield { kind: 'CHANGED', migration: name, message };
    }
  }
  const has = new Set(applied.map(({ name }) => name));
  const newest = [...has].sort(compareNames).at(-1);
  if (newest === undefined) return;
  for (const { name } of files) {
    if (has.has(name) || compareNames(name, newest) > 0) continue;
    const message = `${name} is dated before ${newest}, which has been applied according to ${source}. Give it a later date.`;
    yield { kind: 'MISORDERED', migration: name, message };
  }
}
