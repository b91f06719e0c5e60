import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import type { MigrationFolders } from '../../migrator/files/migration-folders.ts';
import { type PlannedFile, readRunFiles, warnOfRun } from '../runs/planned-files.ts';

interface OpenRun {
  readonly id: string;
  readonly stopping: boolean;
  /** Null if this process knows the run already, or it was created before this column existed. */
  readonly files: readonly PlannedFile[] | null;
}

/** Dependencies of {@link OpenRuns}. */
interface OpenRunsOptions {
  readonly catalog: Catalog;
  readonly migrations: Pick<MigrationFolders, 'tenant' | 'common'>;
  readonly log: Logger;
}

/**
 * The runs that have not ended, and which of them this process can carry out: those that were planned with files that
 * it has. The others are left to processes that run another version of the code.
 */
export class OpenRuns {
  readonly #options: OpenRunsOptions;
  /** Whether this process can carry out a run, by the run's id. */
  readonly #known = new Map<string, boolean>();

  constructor(options: OpenRunsOptions) {
    this.#options = options;
  }

  /** The runs whose tenants this process may claim. */
  get able(): readonly string[] {
    return [...this.#known].flatMap(([id, isAble]) => (isAble ? [id] : []));
  }

  /** Leaves a run to other processes, until {@link recheck}. */
  leave(id: string): void {
    this.#known.set(id, false);
  }

  /** Checks the runs that were left again at the next look, because this process may have their files by then. */
  recheck(): void {
    for (const [id, isAble] of this.#known) if (!isAble) this.#known.delete(id);
  }

  /** Reads which runs are open, and compares the files of new ones with those of this process. */
  async look(): Promise<void> {
    const { catalog } = this.#options;
    const { rows } = await catalog.use((client) =>
      client.query<OpenRun>(
        `SELECT id, stopping IS NOT NULL AS stopping, CASE WHEN id <> ALL ($1::uuid[]) THEN files END AS files
         FROM migration_runs WHERE ended_at IS NULL`,
        [[...this.#known.keys()]],
      ),
    );
    const open = new Set(rows.map(({ id }) => id));
    for (const id of this.#known.keys()) if (!open.has(id)) this.#known.delete(id);
    for (const run of rows) {
      // A stopping run starts nothing new, so any process may find out what was done.
      if (run.stopping) this.#known.set(run.id, true);
      else if (!this.#known.has(run.id)) this.#known.set(run.id, await this.#canCarryOut(run));
    }
  }

  async #canCarryOut({ id, files }: OpenRun): Promise<boolean> {
    const { catalog, migrations, log } = this.#options;
    const { mismatch } = await readRunFiles(migrations, files);
    if (mismatch === undefined) return true;
    log.warn(
      { run: id, mismatch },
      "leaving a migration run to other processes, because this process's migrations do not match it",
    );
    await warnOfRun(catalog, id, mismatch).catch((err: unknown) =>
      log.warn({ err, run: id }, 'could not record a warning of a run'),
    );
    return false;
  }
}
