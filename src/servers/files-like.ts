import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import { AppError } from '../lib/errors.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { planUp } from '../migrator/files/plan.ts';

/** The files of migrations that a tenant has. */
export interface FilesLike {
  /** In the order in which the tenant's were applied. */
  readonly tenant: readonly MigrationFile[];
  /** Whether a new tenant has the same, applied in the same order. */
  readonly isCurrent: boolean;
}

/**
 * Finds the files of migrations that a tenant has.
 * @param files the code's migrations, ordered by name
 * @param applied in the order of application
 * @throws {AppError} MIGRATION_UNKNOWN or MIGRATION_CHANGED if the code has other files
 */
export function filesLike(files: readonly MigrationFile[], applied: readonly AppliedMigration[]): FilesLike {
  const plan = planUp(files, applied);
  if (plan.kind === 'refusal' && plan.code !== 'BAD_USER_INPUT') {
    throw new AppError(plan.code, `The tenant cannot be copied: ${plan.message}`, {
      details: { migration: plan.migration, ...plan.hashes },
    });
  }
  const byName = new Map(files.map((file) => [file.name, file]));
  const tenant = applied.flatMap(({ name }) => byName.get(name) ?? []);
  return { tenant, isCurrent: files.length === tenant.length && files.every((file, index) => file === tenant[index]) };
}
