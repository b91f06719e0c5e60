import type { Catalog } from '../../catalog/catalog.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import { planUp } from '../../migrator/files/plan.ts';
import { refused } from '../format/problem.ts';

/**
 * Finds the migrations of an archive among those of the code. A changed or renamed file counts as the same if it has been accepted in
 * this installation.
 * @returns the migrations as they are in the code, in the order of application
 * @throws {AppError} BAD_USER_INPUT if the code has other files
 */
export async function knownMigrations(
  catalog: Catalog,
  files: readonly MigrationFile[],
  archived: readonly AppliedMigration[],
): Promise<readonly AppliedMigration[]> {
  const byName = new Map(files.map((file) => [file.name, file]));
  const hasAll = archived.every(({ name, hash }) => byName.get(name)?.hash === hash);
  const applied = hasAll ? archived : asAccepted(await readAccepted(catalog), files, archived);
  const plan = planUp(files, applied);
  // Whether the rest of the files can be applied is found out when they are.
  if (plan.kind === 'refusal' && plan.code !== 'BAD_USER_INPUT') {
    throw refused(`has other migrations than this installation: ${plan.message.replace(/\.$/, '')}`);
  }
  return applied;
}

/** A file that somebody has accepted: its name and hash, and the hash that it replaced. */
interface Accepted extends AppliedMigration {
  readonly previousHash: string;
}

async function readAccepted(catalog: Catalog): Promise<readonly Accepted[]> {
  const { rows } = await catalog.use((client) =>
    client.query<Accepted>(
      `SELECT DISTINCT name, hash, previous_hash AS "previousHash" FROM migration_records
       WHERE scope = 'TENANT' AND previous_hash IS NOT NULL`,
    ),
  );
  return rows;
}

function asAccepted(
  accepted: readonly Accepted[],
  files: readonly MigrationFile[],
  archived: readonly AppliedMigration[],
): readonly AppliedMigration[] {
  const current = new Map(files.map(({ name, hash }) => [name, hash]));
  const has = new Set(archived.map(({ name }) => name));
  return archived.map(({ name, hash }) => {
    if (current.get(name) === hash) return { name, hash };
    const found = accepted.find(
      (each) =>
        each.previousHash === hash &&
        current.get(each.name) === each.hash &&
        // A file that was only renamed has the same hash, and another name than any in the archive.
        (each.name === name || (!current.has(name) && !has.has(each.name))),
    );
    return found ? { name: found.name, hash: found.hash } : { name, hash };
  });
}
