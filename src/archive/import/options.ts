import type { TransferOptions } from '../../transfers/options.ts';
import type { ArchiveLimits } from '../format/limits.ts';

/** The progress of an import. */
export interface ImportProgress {
  /** What is being done, such as `Checking the archive`. */
  readonly what: string;
  /** How many bytes of the archive were read for it, and how many it has. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** The rows that are stored so far, and all rows of the archive; undefined while none is stored. */
  readonly rows?: { readonly stored: number; readonly total: number };
}

/** What an import needs. */
export interface ImportOptions {
  readonly transfers: TransferOptions;
  readonly limits: ArchiveLimits;
  /** Who imports, for the record. */
  readonly requestedBy: string | null;
  /** Called with what is being done and how much of it is done. */
  readonly onProgress?: (progress: ImportProgress) => void;
  readonly signal: AbortSignal;
}
