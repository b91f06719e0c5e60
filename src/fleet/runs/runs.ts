import type { Catalog } from '../../catalog/catalog.ts';
import { type MigrationFolders, readTenantFiles, type TenantFiles } from '../../migrator/files/migration-folders.ts';
import { cancelRun, resumeRun } from './control.ts';
import { type RunRequest, startRun } from './start.ts';
import { undoRun } from './undo.ts';

/** The parameters of a new run. */
export type NewRun = Omit<RunRequest, 'concurrency'> & {
  /** Tenants at once; if omitted, the number in the settings. */
  readonly concurrency?: number | null | undefined;
};

/** Starts and controls migration runs, with the migrations that are in the folders at that moment. */
export class Runs {
  readonly #catalog: Catalog;
  readonly #folders: Pick<MigrationFolders, keyof TenantFiles>;
  readonly #concurrency: number;

  constructor(catalog: Catalog, folders: Pick<MigrationFolders, keyof TenantFiles>, concurrency: number) {
    this.#catalog = catalog;
    this.#folders = folders;
    this.#concurrency = concurrency;
  }

  /**
   * Starts a run and returns its id.
   * @throws {AppError} see {@link startRun}
   */
  async start({ concurrency, ...request }: NewRun): Promise<string> {
    const files = await readTenantFiles(this.#folders);
    return startRun(this.#catalog, files, { ...request, concurrency: concurrency ?? this.#concurrency });
  }

  /**
   * Starts a run that reverts exactly what another run applied, and returns its id.
   * @throws {AppError} see {@link undoRun}
   */
  async undo(run: string): Promise<string> {
    return undoRun(this.#catalog, await readTenantFiles(this.#folders), run, this.#concurrency);
  }

  /**
   * Cancels a run.
   * @throws {AppError} see {@link cancelRun}
   */
  async cancel(run: string): Promise<void> {
    await cancelRun(this.#catalog, run);
  }

  /**
   * Resumes a run that has ended, for what it has left.
   * @throws {AppError} see {@link resumeRun}
   */
  async resume(run: string): Promise<void> {
    await resumeRun(this.#catalog, await readTenantFiles(this.#folders), run);
  }
}
