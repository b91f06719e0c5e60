import type { Catalog } from '../../catalog/catalog.ts';
import type { MigrationFolder } from '../../migrator/files/migration-files.ts';
import { cancelRun, resumeRun } from './control.ts';
import { type RunRequest, startRun } from './start.ts';
import { undoRun } from './undo.ts';

/** The parameters of a new run. */
export type NewRun = Omit<RunRequest, 'concurrency'> & {
  /** Tenants at once; if omitted, the number in the settings. */
  readonly concurrency?: number | null | undefined;
};

/** Starts and controls migration runs, with the migrations that are in the folder at that moment. */
export class Runs {
  readonly #catalog: Catalog;
  readonly #folder: MigrationFolder;
  readonly #concurrency: number;

  constructor(catalog: Catalog, folder: MigrationFolder, concurrency: number) {
    this.#catalog = catalog;
    this.#folder = folder;
    this.#concurrency = concurrency;
  }

  /**
   * Starts a run and returns its id.
   * @throws {AppError} see {@link startRun}
   */
  async start({ concurrency, ...request }: NewRun): Promise<string> {
    const files = await this.#folder.read();
    return startRun(this.#catalog, files, { ...request, concurrency: concurrency ?? this.#concurrency });
  }

  /**
   * Starts a run that reverts exactly what another run applied, and returns its id.
   * @throws {AppError} see {@link undoRun}
   */
  async undo(run: string): Promise<string> {
    return undoRun(this.#catalog, await this.#folder.read(), run, this.#concurrency);
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
    await resumeRun(this.#catalog, await this.#folder.read(), run);
  }
}
