import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { badInput } from '../errors.ts';
import type { EntityTables, TableChanges } from '../postgres/entity-tables.ts';
import { createHistorySql } from './history.ts';
import { migrateDatabase } from './migrate-database.ts';
import { compareNames, type MigrationFile, type MigrationFolder } from './migration-files.ts';
import { type ScratchOptions, withScratchDatabase } from './scratch-database.ts';

/** What comparing entities with migrations needs. */
export interface ChangesOptions extends ScratchOptions {
  readonly folder: MigrationFolder;
  readonly tables: EntityTables;
  readonly lockTimeoutMs: number;
}

/**
 * Tells what the entities say and the migrations do not make yet: these are applied to a scratch database, which is compared.
 * @throws {AppError} if the migrations cannot be read
 * @throws {MigrationFailedError} if one fails on an empty database
 */
export async function readEntityChanges({
  folder,
  tables,
  lockTimeoutMs,
  ...scratch
}: ChangesOptions): Promise<TableChanges> {
  const files = await folder.read();
  const { scope } = folder;
  return withScratchDatabase(scratch, async (client) => {
    const prelude = createHistorySql('public', scope);
    await migrateDatabase(client, { scope, schema: 'public', files, lockTimeoutMs, prelude });
    return tables.changes(client, 'public');
  });
}

/**
 * Writes the file of a new migration, which is the last in its folder.
 * @param title a few words, such as `add notes`
 * @param changes undefined: `up()` and `down()` stay empty
 * @returns the file's path
 * @throws {AppError} BAD_USER_INPUT if no name can be made of the title
 */
export async function writeMigration(
  folder: MigrationFolder,
  title: string,
  changes: TableChanges | undefined,
  now = new Date(),
): Promise<string> {
  const words = title.split(/[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])/).filter((word) => word !== '');
  if (words.length === 0 || !/^[a-z]/i.test(words[0] ?? '')) {
    throw badInput('name', 'A name of a migration has letters and digits, and begins with a letter, such as add_notes');
  }
  const stamp = nextStamp(await folder.read(), now);
  const file = path.join(folder.path, `${stamp}_${words.join('_').toLowerCase()}.ts`);
  await writeFile(file, migrationText(words, changes), { flag: 'wx' });
  return file;
}

/** Fourteen digits of now, or of a second after the newest migration, if that is dated later. */
function nextStamp(files: readonly MigrationFile[], now: Date): string {
  const digits = (date: Date) => date.toISOString().replace(/\D/g, '').slice(0, 14);
  const newest =
    /\d{14}/.exec(
      files
        .map(({ name }) => name)
        .sort(compareNames)
        .at(-1) ?? '',
    )?.[0] ?? '';
  if (newest < digits(now)) return digits(now);
  const [, ...parts] = /(....)(..)(..)(..)(..)(..)/.exec(newest) ?? [];
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.map(Number);
  return digits(new Date(Date.UTC(year, month - 1, day, hour, minute, second + 1)));
}

function migrationText(words: readonly string[], changes: TableChanges | undefined): string {
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  const methods = [methodText('up', changes?.up)];
  if (!changes || changes.down) methods.push(methodText('down', changes?.down));
  return `import { Migration } from '@mikro-orm/migrations';

export default class ${name} extends Migration {
  ${methods.join('\n\n  ')}
}
`;
}

function methodText(name: 'up' | 'down', statements: readonly string[] | undefined): string {
  const lines = statements ? statements.map(addSqlText) : ["    this.addSql('');"];
  return `override ${name}(): void {\n${lines.map((line) => `${line}\n`).join('')}  }`;
}

/** As the formatter writes it: 120 columns at most, and quotes that need no escaping. */
function addSqlText(statement: string): string {
  const isPlain = !/['\\\n]/.test(statement);
  const text = isPlain ? `'${statement}'` : `\`${statement.replace(/[\\`]|\$(?=\{)/g, '\\$&')}\``;
  const line = `    this.addSql(${text});`;
  return line.length <= 120 || text.includes('\n') ? line : `    this.addSql(\n      ${text},\n    );`;
}
