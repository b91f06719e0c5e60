import type { TransferOptions } from '../../transfers/options.ts';
import type { ArchiveLimits } from '../format/limits.ts';

/** What an import needs. */
export interface ImportOptions {
  readonly transfers: TransferOptions;
  readonly limits: ArchiveLimits;
  /** Who imports, for the record. */
  readonly requestedBy: string | null;
  /** Called with what is being done, and how much of it is done, from 0 to 1. */
  readonly onProgress?: (what: string, share: number) => void;
  readonly signal: AbortSignal;
}
