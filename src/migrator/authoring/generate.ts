import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../lib/errors.ts';
import { migrateDatabase } from '../apply/apply.ts';
import type { EntityTables } from '../diff/entity-tables.ts';
import { describeTooLongName } from '../diff/long-names.ts';
import type { TableSnapshot } from '../diff/snapshot.ts';
import type { MigrationFile } from '../files/migration-file.ts';
import type { MigrationFolder } from '../files/migration-folder.ts';
import { type Drop, describeDrop, dropsIn } from './drops.ts';
import { migrationText, wordsOf } from './render.ts';
import { readSnapshot, writeSnapshot } from './schema-snapshot.ts';
import { emptySchemaOf, type ScratchOptions, withScratchDatabase } from './scratch-database.ts';

/** One kind of database: its migrations and its entities' schema. */
export interface MigrationLine {
  readonly folder: MigrationFolder;
  readonly tables: EntityTables;
}

/** Dependencies of applying migrations to an empty database. */
export interface EmptyDatabaseOptions extends ScratchOptions {
  readonly lockTimeoutMs: number;
}

/** A migration file that was written. */
export interface NewMigration {
  readonly file: string;
  /** What an author must check in it. */
  readonly warnings: readonly string[];
  /** What it drops, one line for each statement, with the method that has it. */
  readonly drops: readonly string[];
}

/**
 * Writes a migration for the difference between the entities and the snapshot of the existing migrations.
 * @param title a few words, such as `add notes`
 * @param remake recreates an unusable snapshot; the reason is the end of a sentence that starts with its name
 * @throws {AppError} BAD_USER_INPUT if the title gives no valid name, or if PostgreSQL would cut a name; CONFLICT if there
 *   is no difference
 */
export async function writeMigration(
  { folder, tables }: MigrationLine,
  title: string,
  remake: (reason: string) => Promise<TableSnapshot>,
): Promise<NewMigration> {
  const words = wordsOf(title);
  const long = tables.tooLongNames();
  if (long.length > 0) throw new AppError('BAD_USER_INPUT', long.map(describeTooLongName).join('\n'));
  const files = await folder.read();
  const stored = await readSnapshot(folder, files);
  const isCurrent = stored.kind === 'read' && !stored.stale;
  const before = isCurrent
    ? stored.tables
    : await remake(stored.kind === 'read' ? (stored.stale ?? '') : stored.reason);
  const told = await tables.changesSince(before);
  const changes =
    isCurrent && told.changesTexts
      ? await tables.changesSince(await remake('has other texts than the entities, which PostgreSQL must compare'))
      : told;
  if (changes.up.length === 0) {
    throw new AppError(
      'CONFLICT',
      'The migrations match the entities, so there is nothing to write. Use --blank for an empty file.',
    );
  }
  const drops = { up: await dropsIn(changes.up), down: await dropsIn(changes.down ?? []) };
  const file = await writeText(folder, files, words, migrationText(words, { ...changes, drops }));
  await writeSnapshot(folder, await folder.read(), tables.snapshot());
  const lines = [...dropLines('up', drops.up), ...dropLines('down', drops.down)];
  return { file, warnings: changes.warnings, drops: lines };
}

function dropLines(method: string, drops: readonly (Drop | undefined)[]): string[] {
  return drops.flatMap((drop) => (drop ? [`${method}() drops ${describeDrop(drop)}`] : []));
}

/**
 * Writes an empty migration with instructions.
 * @returns the file's path
 * @throws {AppError} BAD_USER_INPUT if the title gives no valid name
 */
export async function writeBlankMigration(folder: MigrationFolder, title: string): Promise<string> {
  const words = wordsOf(title);
  return writeText(folder, await folder.read(), words, migrationText(words, undefined));
}

/**
 * Recreates the snapshot by applying the migrations to a scratch database, after those of `common` if they are tenants'.
 * @throws {AppError} if the migrations cannot be read
 * @throws {MigrationFailedError} if one fails on an empty database
 */
export async function remakeSnapshot(
  { folder, tables }: MigrationLine,
  common: MigrationFolder,
  { lockTimeoutMs, ...scratch }: EmptyDatabaseOptions,
): Promise<TableSnapshot> {
  const files = await folder.read();
  const { scope } = folder;
  const found = await withScratchDatabase(scratch, async (client) => {
    if (scope === 'TENANT') {
      const options = { scope: common.scope, files: await common.read(), lockTimeoutMs };
      await migrateDatabase(client, { ...options, ...emptySchemaOf(common.scope) });
    }
    await migrateDatabase(client, { scope, files, lockTimeoutMs, ...emptySchemaOf(scope) });
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

/** The current time as fourteen digits, or one second after the newest migration if that is later. */
function nextStamp(files: readonly MigrationFile[], now: Date): string {
  const digits = (date: Date) => date.toISOString().replace(/\D/g, '').slice(0, 14);
  const newest = /\d{14}/.exec(files.at(-1)?.name ?? '')?.[0] ?? '';
  if (newest < digits(now)) return digits(now);
  const [, ...parts] = /(....)(..)(..)(..)(..)(..)/.exec(newest) ?? [];
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.map(Number);
  return digits(new Date(Date.UTC(year, month - 1, day, hour, minute, second + 1)));
}
