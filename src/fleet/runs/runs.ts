import type { Catalog } from '../../catalog/catalog.ts';
import { type MigrationFolders, readTenantFiles, type TenantFiles } from '../../migrator/files/migration-folders.ts';
import type { Servers } from '../../postgres/server.ts';
import { cancelRun, resumeRun } from './control.ts';
import { type RunOrder, smallestFirst } from './smallest-first.ts';
import { type RunRequest, startRun } from './start.ts';
import { startUndelete, type UndeleteOptions } from './undelete.ts';
import { undoRun } from './undo.ts';

/** The parameters of a new run. */
export type NewRun = Omit<RunRequest, 'concurrency' | 'sequence'> & {
  /** Tenants at once; if omitted, the number in the settings. */
  readonly concurrency?: number | null | undefined;
  /** `CREATED`: the oldest first, which is the default. `SIZE`: the smallest first. */
  readonly order?: RunOrder | null | undefined;
};

/** How long the sizes of tenants are read before a run, in milliseconds. */
const SIZES_MS = 30_000;

/** Starts and controls migration runs, with the migrations that are in the folders at that moment. */
export class Runs {
  readonly #catalog: Catalog;
  readonly #folders: Pick<MigrationFolders, keyof TenantFiles>;
  readonly #servers: Servers;
  readonly #concurrency: number;

  constructor(
    catalog: Catalog,
    folders: Pick<MigrationFolders, keyof TenantFiles>,
    servers: Servers,
    concurrency: number,
  ) {
    this.#catalog = catalog;
    this.#servers = servers;
    this.#folders = folders;
    this.#concurrency = concurrency;
  }

  /**
   * Starts a run and returns its id.
   * @throws {AppError} see {@link startRun}
   */
  async start({ concurrency, order, ...request }: NewRun): Promise<string> {
    const files = await readTenantFiles(this.#folders);
    const limits = { concurrency: this.#concurrency, totalMs: SIZES_MS };
    const sequence =
      order === 'SIZE' ? await smallestFirst(this.#catalog, this.#servers, files, request, limits) : undefined;
    return startRun(this.#catalog, files, { ...request, sequence, concurrency: concurrency ?? this.#concurrency });
  }

  /**
   * Starts a run that reverts what another run applied to its tenants and they still have, and returns its id.
   * @throws {AppError} see {@link undoRun}
   */
  async undo(run: string): Promise<string> {
    return undoRun(this.#catalog, await readTenantFiles(this.#folders), run, this.#concurrency);
  }

  /**
   * Starts to bring a tenant back from the bin.
   * @returns the id of the run that does it; undefined if the tenant is back already
   * @throws {AppError} see {@link startUndelete}
   */
  async undelete(options: UndeleteOptions, reference: string): Promise<string | undefined> {
    return startUndelete(options, await readTenantFiles(this.#folders), reference);
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
