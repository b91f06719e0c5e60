import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Migration } from '@mikro-orm/migrations';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { withTimeLimit } from '../../lib/time.ts';
import { describeMigration } from './describe.ts';
import {
  compareNames,
  compareTexts,
  hashOf,
  isMigrationFile,
  type MigrationClass,
  type MigrationFile,
  migrationName,
} from './migration-file.ts';

/** A file that is not a valid migration. The message names it. */
export class MigrationFileError extends AppError {
  override readonly name = 'MigrationFileError';

  constructor(message: string, cause?: unknown) {
    super('CONFLICT', message, { cause });
  }
}

const fileName = /^(?:Migration)?\d{14}(?:[_-][A-Za-z0-9_-]+)?\.(?:ts|js|mjs)$/;

/** How long a migration may take to load and to list its statements, in milliseconds. */
const READ_MS = 10_000;

/** Reads the migrations of a folder. A file is imported again only after it changes. */
export class MigrationFolder {
  readonly path: string;
  readonly scope: MigrationScope;
  readonly #isOptional: boolean;

  /** @param isOptional whether a folder that does not exist counts as one without migrations */
  constructor(folder: string, scope: MigrationScope, { isOptional = false } = {}) {
    this.path = path.resolve(folder);
    this.scope = scope;
    this.#isOptional = isOptional;
  }

  /**
   * Lists the migrations currently in the folder, ordered by name.
   * @throws {MigrationFileError} if the folder cannot be read, or a file in it is not a valid migration
   */
  async read(): Promise<readonly MigrationFile[]> {
    const names = await readdir(this.path).catch((cause: unknown) => {
      if (this.#isOptional && isMissing(cause)) return [];
      throw new MigrationFileError(
        `The folder with ${this.scope} migrations, ${shown(this.path)}, cannot be read: ${messageOf(cause)}`,
        cause,
      );
    });
    const found = names
      .filter(isMigrationFile)
      .sort((a, b) => compareNames(migrationName(a), migrationName(b)) || compareTexts(a, b));
    for (const [index, name] of found.entries()) {
      const other = found[index + 1];
      if (other !== undefined && migrationName(other) === migrationName(name)) throw this.#twice(name, other);
    }
    return Promise.all(found.map((name) => this.#readFile(name)));
  }

  #twice(one: string, other: string): MigrationFileError {
    return new MigrationFileError(
      `Two migrations are named ${migrationName(one)}: ${one} and ${other} in ${shown(this.path)}. If one is compiled from the other, compile to another folder, or delete ${one}.`,
    );
  }

  async #readFile(name: string): Promise<MigrationFile> {
    const file = path.join(this.path, name);
    if (!fileName.test(name)) {
      throw new MigrationFileError(
        `${shown(file)} is not a valid migration name. Use a name such as 20260131120000_add_notes.ts`,
      );
    }
    const text = await readFile(file, 'utf8');
    const hash = hashOf(text);
    const migration = migrationName(name);
    try {
      return await withTimeLimit(
        importClass(file, hash).then((Class) =>
          describeOnce(Class, { name: migration, scope: this.scope, hash }, text),
        ),
        READ_MS,
        `cannot be read: its module, up() or down() did not end within ${READ_MS / 1000} s, run without a database`,
      );
    } catch (error) {
      throw new MigrationFileError(`The migration ${shown(file)} ${messageOf(error)}`, error);
    }
  }
}

/** What the classes of migrations do. Node keeps their modules, and so their classes, as long as the process runs. */
const described = new WeakMap<MigrationClass, MigrationFile>();

async function describeOnce(...[Class, file, source]: Parameters<typeof describeMigration>): Promise<MigrationFile> {
  const known = described.get(Class);
  if (known?.name === file.name && known.scope === file.scope && known.hash === file.hash) return known;
  const migration = await describeMigration(Class, file, source);
  described.set(Class, migration);
  return migration;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Shows a path relative to the project. */
function shown(file: string): string {
  return path.relative(process.cwd(), file) || '.';
}

async function importClass(file: string, hash: string): Promise<MigrationClass> {
  const url = pathToFileURL(file).href;
  // The hash in the URL makes Node load a changed file again while the process runs.
  const address = `${url}?${hash}`;
  const module: Record<string, unknown> = await import(address).catch((cause: unknown) => {
    // If no package.json declares the module type, Node's error names the file by its path or without the hash.
    throw new Error(`cannot be loaded: ${messageOf(cause)}${locationOf(cause, [address, url, file])}`, { cause });
  });
  const found = [module.default, ...Object.values(module)].find(isMigrationClass);
  if (!found) throw new Error('must export a class that extends Migration');
  return found;
}

/**
 * Finds the position of an error in a file, in parentheses; empty if Node doesn't report it. Only the stack has it: a
 * line that starts with one of the file's names, and above the message a marker under the column.
 */
function locationOf(error: unknown, names: readonly string[]): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const places = names.map((name) => /^(\d+)(?::(\d+))?/.exec(stack.split(`${name}:`)[1] ?? ''));
  const [, line, named] = places.find((place) => place !== null) ?? [];
  if (line === undefined) return '';
  const marker = /^( *)\^+$/m.exec(stack)?.[1];
  const column = named ?? (marker === undefined ? undefined : marker.length + 1);
  return column === undefined ? ` (line ${line})` : ` (line ${line}, column ${column})`;
}

function isMigrationClass(value: unknown): value is MigrationClass {
  return typeof value === 'function' && value.prototype instanceof Migration;
}
