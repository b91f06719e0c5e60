/** What an import accepts. An archive is small before it is decompressed, so its own size says little. */
export interface ArchiveLimits {
  /** The most bytes that it may have, decompressed. */
  readonly maxBytes: number;
  /** The most entries that it may have. */
  readonly maxEntries: number;
  /** How many times larger than the file its content may be, once it is larger than {@link RATIO_FROM_BYTES}. */
  readonly maxRatio: number;
}

/** Less than this is no harm, however small the file is. */
export const RATIO_FROM_BYTES = 64 * 1024 * 1024;

/** The limits of an import that names no others. */
export const defaultLimits: ArchiveLimits = {
  maxBytes: 64 * 1024 ** 3,
  maxEntries: 250_000,
  // Rows that are all the same shrink to one part in some hundreds.
  maxRatio: 1_000,
};
