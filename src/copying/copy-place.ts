import type { CopyPlace, CopyProgress } from './place.ts';

/** What a copy needs. */
export interface CopyOptions {
  readonly from: CopyPlace;
  /** Has the same tables, which may contain rows. Nobody else uses it. */
  readonly to: CopyPlace;
  /** The number of tables that are copied at the same time. */
  readonly parallel: number;
  /**
   * The name of an exported snapshot of the source database: the copy contains what the snapshot sees. Without it the copy
   * takes a snapshot of its own, so that the source may be written to meanwhile.
   * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION
   */
  readonly snapshot?: string;
  readonly onProgress?: (progress: CopyProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * Replaces the rows of one place by those of another, its sequences and its history included, and proves that both are equal:
 * their tables before, their rows after. If it fails, the target is to be dropped.
 * @returns the final progress
 * @throws {AppError} CONFLICT if the tables of the two places differ, with the differences; what PostgreSQL reports otherwise
 */
export async function copyPlace(_options: CopyOptions): Promise<CopyProgress> {
  throw new Error('Not built yet');
}
