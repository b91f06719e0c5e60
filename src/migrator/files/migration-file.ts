import { createHash } from 'node:crypto';
import type { Migration } from '@mikro-orm/migrations';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { BackfillStatement } from './backfill.ts';
import type { SourceStatement } from './source-statements.ts';

/** The class that a migration file exports. */
export type MigrationClass = new (...args: ConstructorParameters<typeof Migration>) => Migration;

/** Whether a migration is applied or reverted. */
export type Direction = 'up' | 'down';

/** A migration in the code. */
export interface MigrationFile {
  /** The file name without its extension. Migrations are applied in the order of their timestamps, then of their names. */
  readonly name: string;
  readonly scope: MigrationScope;
  /** The SHA-256 of the file's text in hexadecimal. A byte order mark doesn't count, and line endings count as `\n`. */
  readonly hash: string;
  readonly transactional: boolean;
  /** What it does for each batch of rows; undefined if it is not a backfill. Its `up()` changes all rows at once. */
  readonly backfill?: BackfillStatement | undefined;
  /** Whether it has a `down()`. */
  readonly reversible: boolean;
  /** The statements of `up()`; undefined if they are only known by running it against a database. */
  readonly statements: readonly string[] | undefined;
  /** The statements of `down()`; undefined as well if there is no `down()`. */
  readonly downStatements: readonly string[] | undefined;
  /** The same, parsed and one by one. */
  readonly parsed: Readonly<Record<Direction, readonly SourceStatement[] | undefined>>;
  /**
   * Why it cannot be applied to any database, as the end of a sentence that starts with its name; undefined if it can.
   */
  readonly obstacle: string | undefined;
  /** The class to instantiate when running it against a database. */
  readonly Class: MigrationClass;
}

/** What a migration changes: SCHEMA, anything in one go; BACKFILL, rows in batches. */
export type MigrationKind = 'SCHEMA' | 'BACKFILL';

/** Returns what a migration changes. */
export function kindOfFile({ backfill }: Pick<MigrationFile, 'backfill'>): MigrationKind {
  return backfill ? 'BACKFILL' : 'SCHEMA';
}

/** A migration that is a backfill. */
export type BackfillFile = MigrationFile & { readonly backfill: BackfillStatement };

/** Whether a migration is a backfill. */
export function isBackfill(file: MigrationFile): file is BackfillFile {
  return file.backfill !== undefined;
}

/**
 * The order in which migrations are applied: by timestamp, then by name. MikroORM's own names have `Migration` before
 * the timestamp. Names are compared by code unit, so the order is the same on every machine.
 */
export function compareNames(a: string, b: string): number {
  return compareTexts(timestampOf(a), timestampOf(b)) || compareTexts(a, b);
}

/** Compares texts by code unit. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A run's target need not be a file's name: whatever starts otherwise is compared as it is. */
function timestampOf(name: string): string {
  return /^(?:Migration)?(\d{14})/.exec(name)?.[1] ?? name;
}

/** Whether a file of this name is a migration. */
export function isMigrationFile(name: string): boolean {
  return /\.(?:ts|js|mjs)$/.test(name) && !name.endsWith('.d.ts');
}

/** The migration's name for a file name. */
export function migrationName(name: string): string {
  return name.replace(/\.[a-z]+$/, '');
}

/** Hashes a file's text; see {@link MigrationFile.hash}. */
export function hashOf(text: string): string {
  return createHash('sha256')
    .update(text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'))
    .digest('hex');
}

/** Shortens a hash for messages; it is still long enough to distinguish two files. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}
