import { MAX_MANIFEST_BYTES } from './manifest.ts';

/** What an import accepts. An archive is small before it is decompressed, so its own size says little. */
export interface ArchiveLimits {
  /** The most bytes that it may have, decompressed. */
  readonly maxBytes: number;
  /** The most entries that it may have. An import takes 1 to 2 KB of memory for each. */
  readonly maxEntries: number;
  /** How many times larger than the file its content may be, once it is larger than {@link RATIO_FROM_BYTES}. */
  readonly maxRatio: number;
}

/** What a manifest may take for its tables, and for each entry. */
const MANIFEST_BYTES = 8 * 1024 * 1024;
const MANIFEST_ENTRY_BYTES = 160;

/** The most that a manifest may have in bytes. It is read into memory. */
export function maxManifestBytes({ maxEntries }: ArchiveLimits): number {
  return Math.min(MAX_MANIFEST_BYTES, MANIFEST_BYTES + maxEntries * MANIFEST_ENTRY_BYTES);
}

/** Less than this is harmless, however small the file is. */
export const RATIO_FROM_BYTES = 64 * 1024 * 1024;

/** The limits of an import that names no others. */
export const defaultLimits: ArchiveLimits = {
  maxBytes: 64 * 1024 ** 3,
  maxEntries: 40_000,
  // Rows that are all the same shrink to one part in some hundreds.
  maxRatio: 1_000,
};
