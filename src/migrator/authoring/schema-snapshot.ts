import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import { saysSomething, type TableSnapshot, tableSnapshot } from '../diff/snapshot.ts';
import type { MigrationFile } from '../files/migration-file.ts';
import type { MigrationFolder } from '../files/migration-folder.ts';

/**
 * The file next to the migrations that describes the tables they create, so that the next one can be written without a
 * database.
 */
export function snapshotPath(folder: MigrationFolder): string {
  return path.join(folder.path, '.snapshot.json');
}

const fileSchema = z.object({
  /** The migrations that create the tables. */
  migrations: z.array(z.object({ name: z.string(), hash: z.string() })),
  tables: tableSnapshot,
});

/** The file's tables, or why it cannot be used, as the end of a sentence that starts with its name. */
export type ReadSnapshot =
  | { readonly kind: 'read'; readonly tables: TableSnapshot; readonly stale: string | undefined }
  | { readonly kind: 'none' | 'broken'; readonly reason: string };

/**
 * Reads the snapshot of a folder.
 * @param files the folder's migrations; a snapshot of others is stale
 */
export async function readSnapshot(folder: MigrationFolder, files: readonly MigrationFile[]): Promise<ReadSnapshot> {
  const text = await readFile(snapshotPath(folder), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return { kind: 'none', reason: 'is missing' };
  if (/^(?:<{7}|>{7}) /m.test(text)) return { kind: 'broken', reason: 'has merge conflicts' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { kind: 'broken', reason: `cannot be read: ${messageOf(error)}` };
  }
  const { success, data } = fileSchema.safeParse(value);
  if (!success) return { kind: 'broken', reason: 'does not describe tables' };
  return { kind: 'read', tables: data.tables, stale: staleness(data.migrations, files) };
}

/** Writes the snapshot of a folder with one line per column and index, so that it can be read and merged. */
export async function writeSnapshot(
  folder: MigrationFolder,
  files: readonly MigrationFile[],
  tables: TableSnapshot,
): Promise<void> {
  const migrations = files.map(({ name, hash }) => ({ name, hash }));
  await writeFile(snapshotPath(folder), `${lines({ migrations, tables }, '')}\n`);
}

function staleness(
  stored: readonly { readonly name: string; readonly hash: string }[],
  files: readonly MigrationFile[],
): string | undefined {
  const hashes = new Map(stored.map(({ name, hash }) => [name, hash]));
  const names = new Set(files.map(({ name }) => name));
  const [first] = [
    ...files.filter(({ name }) => !hashes.has(name)).map(({ name }) => `does not know ${name}`),
    ...files.filter(({ name, hash }) => hashes.get(name) !== hash).map(({ name }) => `is older than ${name}`),
    ...stored.filter(({ name }) => !names.has(name)).map(({ name }) => `knows ${name}, which is gone`),
  ];
  return first;
}

/** JSON that puts an object of plain values, or of lists of them, on one line. Empty values are left out. */
function lines(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null || isList(value)) return JSON.stringify(value);
  const isArray = Array.isArray(value);
  const entries = Object.entries(value).filter(([, item]) => isArray || saysSomething(item));
  const isFlat = entries.every(([, item]) => typeof item !== 'object' || isList(item));
  if (isFlat) return JSON.stringify(Object.fromEntries(entries));
  const inner = entries.map(
    ([key, item]) => `${indent}  ${isArray ? '' : `${JSON.stringify(key)}: `}${lines(item, `${indent}  `)}`,
  );
  return `${isArray ? '[' : '{'}\n${inner.join(',\n')}\n${indent}${isArray ? ']' : '}'}`;
}

function isList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item !== 'object');
}
