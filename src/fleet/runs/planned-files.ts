import type { Catalog } from '../../catalog/catalog.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import { messageOf } from '../../lib/errors.ts';
import { shortList } from '../../lib/short-list.ts';
import { type MigrationFile, shortHash } from '../../migrator/files/migration-file.ts';
import type { MigrationFolders, TenantFiles } from '../../migrator/files/migration-folders.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { appendEvents } from '../events/append.ts';

/** The migrations of a run that this process has. */
export interface RunFiles {
  /** Only files that the run was planned with, so that every process carries out the same plan. */
  readonly files: readonly MigrationFile[];
  /** The same of the migrations of `common`. */
  readonly common: readonly MigrationFile[];
  /** Why this process must not carry out the run, as readable text; undefined if it may. */
  readonly mismatch: string | undefined;
}

/** The maximum number of migrations that a message names. */
const NAMED = 3;

/** A file that a run was planned with. The scope is omitted for tenants' migrations. */
export interface PlannedFile extends AppliedMigration {
  readonly scope?: 'COMMON';
}

/** Returns the names and hashes of the files that a run is planned with, as JSON. */
export function plannedFiles({ tenant, common }: TenantFiles): string {
  const planned: PlannedFile[] = [
    ...tenant.map(({ name, hash }) => ({ name, hash })),
    ...common.map(({ name, hash }) => ({ name, hash, scope: 'COMMON' as const })),
  ];
  return JSON.stringify(planned);
}

/**
 * Reads a run's migrations from this process's folders. They may differ from the plan if this process runs an
 * older or newer version of the code.
 * @param planned null for a run created before this column existed; such a run uses the folders' files
 */
export async function readRunFiles(
  { tenant, common }: Pick<MigrationFolders, 'tenant' | 'common'>,
  planned: readonly PlannedFile[] | null | undefined,
): Promise<RunFiles> {
  try {
    const isCommon = ({ scope }: PlannedFile) => scope === 'COMMON';
    const chosen = chooseFiles(
      await tenant.read(),
      planned?.filter((file) => !isCommon(file)),
    );
    const shared = chooseFiles(await common.read(), planned?.filter(isCommon));
    return { files: chosen.files, common: shared.files, mismatch: chosen.mismatch ?? shared.mismatch };
  } catch (error) {
    return { files: [], common: [], mismatch: `${messageOf(error)}. ${REMEDY}` };
  }
}

const REMEDY =
  'Processes that have the planned migrations carry out the run. If there are none, cancel the run, then resume it with the current migrations.';

/** The part of {@link readRunFiles} that does no I/O. */
function chooseFiles(
  here: readonly MigrationFile[],
  planned: readonly PlannedFile[] | undefined,
): Pick<RunFiles, 'files' | 'mismatch'> {
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

/** Reports a problem of a run to its followers, each problem once. */
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
