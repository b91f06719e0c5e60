import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../lib/errors.ts';
import { migrateDatabase } from '../apply/apply.ts';
import type { EntityTables } from '../diff/entity-tables.ts';
import type { TableSnapshot } from '../diff/snapshot.ts';
import { createHistorySql } from '../files/history.ts';
import type { MigrationFile, MigrationFolder } from '../files/migration-files.ts';
import { migrationText, wordsOf } from './render.ts';
import { readSnapshot, writeSnapshot } from './schema-snapshot.ts';
import { type ScratchOptions, withScratchDatabase } from './scratch-database.ts';

/** One kind of database: its migrations, and what its entities say. */
export interface MigrationLine {
  readonly folder: MigrationFolder;
  readonly tables: EntityTables;
}

/** What applying a line's migrations to an empty database needs. */
export interface EmptyDatabaseOptions extends ScratchOptions {
  readonly lockTimeoutMs: number;
}

/** A migration's file that has been written. */
export interface NewMigration {
  readonly file: string;
  /** What a person must look at in it. */
  readonly warnings: readonly string[];
}

/**
 * Writes a migration from what the entities say and the migrations before it do not make, which the snapshot tells.
 * @param title a few words, such as `add notes`
 * @param remake makes the snapshot anew, if it is of no use; the reason is the end of a sentence that begins with its name
 * @throws {AppError} BAD_USER_INPUT if no name can be made of the title; CONFLICT if there is nothing to write
 */
export async function writeMigration(
  { folder, tables }: MigrationLine,
  title: string,
  remake: (reason: string) => Promise<TableSnapshot>,
): Promise<NewMigration> {
  const words = wordsOf(title);
  const files = await folder.read();
  const stored = await readSnapshot(folder, files);
  const before =
    stored.kind === 'read' && !stored.stale
      ? stored.tables
      : await remake(stored.kind === 'read' ? (stored.stale ?? '') : stored.reason);
  const changes = tables.changesSince(before);
  if (changes.up.length === 0) {
    throw new AppError(
      'CONFLICT',
      'The migrations make what the entities say, so there is nothing to write. For an empty file say --blank',
    );
  }
  const file = await writeText(folder, files, words, migrationText(words, changes));
  await writeSnapshot(folder, await folder.read(), tables.snapshot());
  return { file, warnings: changes.warnings };
}

/**
 * Writes a migration that does nothing yet, and explains how it is filled in.
 * @returns the file's path
 * @throws {AppError} BAD_USER_INPUT if no name can be made of the title
 */
export async function writeBlankMigration(folder: MigrationFolder, title: string): Promise<string> {
  const words = wordsOf(title);
  return writeText(folder, await folder.read(), words, migrationText(words, undefined));
}

/**
 * Makes the snapshot anew, by applying the migrations to a scratch database.
 * @throws {AppError} if the migrations cannot be read
 * @throws {MigrationFailedError} if one fails on an empty database
 */
export async function remakeSnapshot(
  { folder, tables }: MigrationLine,
  { lockTimeoutMs, ...scratch }: EmptyDatabaseOptions,
): Promise<TableSnapshot> {
  const files = await folder.read();
  const { scope } = folder;
  const found = await withScratchDatabase(scratch, async (client) => {
    const setupSql = createHistorySql('public', scope);
    await migrateDatabase(client, { scope, schema: 'public', files, lockTimeoutMs, setupSql });
    return tables.read(client);
  });
  await writeSnapshot(folder, files, found);
  return found;
}

async function writeText(
  folder: MigrationFolder,
  files: readonly MigrationFile[],
  words: readonly string[],
  text: string,
): Promise<string> {
  const stamp = nextStamp(files, new Date());
  const file = path.join(folder.path, `${stamp}_${words.join('_').toLowerCase()}.ts`);
  await writeFile(file, text, { flag: 'wx' });
  return file;
}

/** Fourteen digits of now, or of a second after the newest migration, if that is dated later. */
function nextStamp(files: readonly MigrationFile[], now: Date): string {
  const digits = (date: Date) => date.toISOString().replace(/\D/g, '').slice(0, 14);
  const newest = /\d{14}/.exec(files.at(-1)?.name ?? '')?.[0] ?? '';
  if (newest < digits(now)) return digits(now);
  const [, ...parts] = /(....)(..)(..)(..)(..)(..)/.exec(newest) ?? [];
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.map(Number);
  return digits(new Date(Date.UTC(year, month - 1, day, hour, minute, second + 1)));
}
