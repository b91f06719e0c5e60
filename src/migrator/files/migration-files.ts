import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Configuration } from '@mikro-orm/core';
import { Migration } from '@mikro-orm/migrations';
import { PostgreSqlDriver } from '@mikro-orm/postgresql';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { withTimeLimit } from '../../lib/time.ts';
import { loadStatementParser } from '../../postgres/sql/statements.ts';
import { obstacleOf } from './obstacles.ts';
import { SourceLines } from './source-lines.ts';
import { readStatements, type SourceStatement } from './source-statements.ts';

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

/** The name of the ORM used to list statements; it never connects. */
const describingConfig = new Configuration({ driver: PostgreSqlDriver, dbName: 'unused', entities: [] }, false);

/** Reads the migrations of a folder. A file is imported again only after it changes. */
export class MigrationFolder {
  readonly path: string;
  readonly scope: MigrationScope;
  readonly #isOptional: boolean;
  #known = new Map<string, MigrationFile>();

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
    const files = await Promise.all(found.map((name) => this.#readFile(name)));
    this.#known = new Map(files.map((file) => [`${file.name}:${file.hash}`, file]));
    return files;
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
    const known = this.#known.get(`${migration}:${hash}`);
    if (known) return known;
    try {
      return await withTimeLimit(
        importClass(file, hash).then((Class) => describe(Class, migration, this.scope, hash, text)),
        READ_MS,
        `cannot be read: its module, up() or down() did not end within ${READ_MS / 1000} s, run without a database`,
      );
    } catch (error) {
      throw new MigrationFileError(`The migration ${shown(file)} ${messageOf(error)}`, error);
    }
  }
}

/**
 * The order in which migrations are applied: by timestamp, then by name. MikroORM's own names have `Migration` before
 * the timestamp. Names are compared by code unit, so the order is the same on every machine.
 */
export function compareNames(a: string, b: string): number {
  return compareTexts(timestampOf(a), timestampOf(b)) || compareTexts(a, b);
}

function compareTexts(a: string, b: string): number {
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

async function describe(
  Class: MigrationClass,
  name: string,
  scope: MigrationScope,
  hash: string,
  source: string,
): Promise<MigrationFile> {
  const reversible = Class.prototype.down !== Migration.prototype.down;
  const transactional = construct(Class, new DescribingDriver().driver).isTransactional();
  const statements = await statementsOf(Class, 'up');
  const downStatements = reversible ? await statementsOf(Class, 'down') : undefined;
  const parse = await loadStatementParser();
  const parsed = {
    up: statements && readStatements(statements, parse, new SourceLines(source, 'up')),
    down: downStatements && readStatements(downStatements, parse, new SourceLines(source, 'down')),
  };
  return {
    name,
    scope,
    hash,
    Class,
    transactional,
    reversible,
    statements,
    downStatements,
    parsed,
    obstacle: obstacleOf({ scope, transactional }, [...(parsed.up ?? []), ...(parsed.down ?? [])]),
  };
}

function construct(Class: MigrationClass, driver: PostgreSqlDriver): Migration {
  try {
    return new Class(driver, describingConfig);
  } catch (cause) {
    throw new Error(`cannot be constructed: ${messageOf(cause)}`, { cause });
  }
}

/** A driver without a database. A migration that queries it fails, which shows that its statements cannot be listed. */
class DescribingDriver {
  readonly driver: PostgreSqlDriver;
  /** Whether the migration queried it, even if it caught the error. */
  asked = false;

  constructor() {
    this.driver = new Proxy(new PostgreSqlDriver(describingConfig), {
      get: (driver, key, receiver) => {
        if (!databaseKeys.has(key)) return Reflect.get(driver, key, receiver);
        this.asked = true;
        throw new Error('This migration queries the database');
      },
    });
  }
}

/** The methods by which a driver reaches its database. */
const databaseKeys: ReadonlySet<string | symbol> = new Set([
  'execute',
  'createEntityManager',
  'getConnection',
  'connection',
  'replicas',
]);

async function statementsOf(Class: MigrationClass, direction: Direction): Promise<readonly string[] | undefined> {
  const describing = new DescribingDriver();
  const instance = construct(Class, describing.driver);
  try {
    await instance[direction]();
  } catch {
    return undefined;
  }
  const queries = instance.getQueries();
  return !describing.asked && queries.every((query) => typeof query === 'string') ? queries : undefined;
}
