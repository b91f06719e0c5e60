import type { Catalog } from '../../catalog/catalog.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import { messageOf } from '../../lib/errors.ts';
import { shortList } from '../../lib/short-list.ts';
import { type MigrationFile, type MigrationFolder, shortHash } from '../../migrator/files/migration-files.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { appendEvents } from '../events/append.ts';

/** The migrations of a run that this process has. */
export interface RunFiles {
  /** Only files that the run was planned with, so that every process carries out the same plan. */
  readonly files: readonly MigrationFile[];
  /** Why this process must not carry out the run, as readable text; undefined if it may. */
  readonly mismatch: string | undefined;
}

/** The maximum number of migrations that a message names. */
const NAMED = 3;

/** Returns the names and hashes of the files that a run is planned with, as JSON. */
export function plannedFiles(files: readonly MigrationFile[]): string {
  return JSON.stringify(files.map(({ name, hash }): AppliedMigration => ({ name, hash })));
}

/**
 * Reads a run's migrations from this process's folder. The folder may differ from the plan if this process runs an
 * older or newer version of the code.
 * @param planned null for a run created before this column existed; such a run uses the folder's files
 */
export async function readRunFiles(
  folder: MigrationFolder,
  planned: readonly AppliedMigration[] | null | undefined,
): Promise<RunFiles> {
  try {
    return chooseFiles(await folder.read(), planned);
  } catch (error) {
    return { files: [], mismatch: `${messageOf(error)}. ${REMEDY}` };
  }
}

const REMEDY =
  'Processes that have the planned migrations carry out the run. If there are none, cancel the run, then resume it with the current migrations.';

/** The part of {@link readRunFiles} that does no I/O. */
function chooseFiles(
  here: readonly MigrationFile[],
  planned: readonly AppliedMigration[] | null | undefined,
): RunFiles {
  if (!planned) return { files: here, mismatch: undefined };
  const hashes = new Map(planned.map(({ name, hash }) => [name, hash]));
  const files = here.filter(({ name, hash }) => hashes.get(name) === hash);
  if (files.length === hashes.size) return { files, mismatch: undefined };
  const own = new Map(here.map((file) => [file.name, file.hash]));
  const differences = planned
    .filter(({ name, hash }) => own.get(name) !== hash)
    .map(({ name, hash }) => {
      const other = own.get(name);
      return other === undefined
        ? `${name} is missing`
        : `the hash of ${name} is ${shortHash(other)} instead of ${shortHash(hash)}`;
    });
  const what = shortList(differences, NAMED);
  return {
    files,
    mismatch: `MIGRATION_CHANGED: A process has other migrations than the run was planned with: ${what}. ${REMEDY}`,
  };
}

/** Tells whoever follows a run that something about it is not as it should be, but not twice. */
export async function warnOfRun(catalog: Catalog, run: string, message: string): Promise<void> {
  await catalog.use((client) =>
    inTransaction(client, async () => {
      const { rowCount } = await client.query(
        'SELECT FROM migration_runs WHERE id = $1 AND ended_at IS NULL FOR UPDATE',
        [run],
      );
      if (rowCount === 0) return;
      const reported = await client.query(
        `SELECT FROM migration_events WHERE run_id = $1 AND kind = 'RUN_WARNING' AND message = $2`,
        [run, message],
      );
      if (reported.rowCount === 0) await appendEvents(client, run, [{ kind: 'RUN_WARNING', message }]);
    }),
  );
}
