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
import { findTransactionCommand } from '../../postgres/sql/split-statements.ts';

/** The class that a migration's file exports. */
export type MigrationClass = new (...args: ConstructorParameters<typeof Migration>) => Migration;

/** Whether a migration is applied or taken back. */
export type Direction = 'up' | 'down';

/** A migration that the code has. */
export interface MigrationFile {
  /** The file's name without its ending; files are applied in the order of their names. */
  readonly name: string;
  readonly scope: MigrationScope;
  /** SHA-256 of the file's text, in hexadecimal; line ends count as `\n`. */
  readonly hash: string;
  readonly transactional: boolean;
  /** Whether it has a `down()`. */
  readonly reversible: boolean;
  /** What `up()` sends, or undefined if that can only be told by running it against a database. */
  readonly statements: readonly string[] | undefined;
  /** The same of `down()`; undefined also if there is none. */
  readonly downStatements: readonly string[] | undefined;
  /** Why it cannot be applied by anyone, as the end of a sentence that begins with its name; undefined if it can. */
  readonly obstacle: string | undefined;
  /** Its class, to be run against a database. */
  readonly Class: MigrationClass;
}

/** A file that is no migration, or cannot be read as one; its message names it. */
export class MigrationFileError extends AppError {
  override readonly name = 'MigrationFileError';

  constructor(message: string, cause?: unknown) {
    super('CONFLICT', message, { cause });
  }
}

const fileName = /^(?:Migration)?\d{14}(?:[_-][A-Za-z0-9_-]+)?\.(?:ts|js|mjs)$/;

/** How long a migration may take to be loaded and to say what it sends, in milliseconds. */
const READ_MS = 10_000;

/** What the parts of a migration are told apart with; it never connects. */
const describingConfig = new Configuration({ driver: PostgreSqlDriver, dbName: 'unused', entities: [] }, false);

/** Reads the migrations of one folder. What has been read once is not imported again until the file changes. */
export class MigrationFolder {
  readonly path: string;
  readonly scope: MigrationScope;
  #known = new Map<string, MigrationFile>();

  constructor(folder: string, scope: MigrationScope) {
    this.path = path.resolve(folder);
    this.scope = scope;
  }

  /**
   * Lists the migrations as they are in the folder now, ordered by name.
   * @throws {MigrationFileError} if the folder cannot be read, or a file in it is no migration
   */
  async read(): Promise<readonly MigrationFile[]> {
    const names = await readdir(this.path).catch((cause: unknown) => {
      throw new MigrationFileError(
        `The folder with ${this.scope} migrations, ${shown(this.path)}, cannot be read: ${messageOf(cause)}`,
        cause,
      );
    });
    const files = await Promise.all(
      names
        .filter(isMigrationFile)
        .sort(compareNames)
        .map((name) => this.#readFile(name)),
    );
    for (const [index, file] of files.entries()) {
      if (files[index + 1]?.name === file.name) throw new MigrationFileError(`Two migrations are called ${file.name}`);
    }
    this.#known = new Map(files.map((file) => [`${file.name}:${file.hash}`, file]));
    return files;
  }

  async #readFile(name: string): Promise<MigrationFile> {
    const file = path.join(this.path, name);
    if (!fileName.test(name)) {
      throw new MigrationFileError(
        `${shown(file)} is no name of a migration; it should be like 20260131120000_add_notes.ts`,
      );
    }
    const hash = hashOf(await readFile(file, 'utf8'));
    const migration = migrationName(name);
    const known = this.#known.get(`${migration}:${hash}`);
    if (known) return known;
    try {
      return await withTimeLimit(
        importClass(file, hash).then((Class) => describe(Class, migration, this.scope, hash)),
        READ_MS,
        `cannot be read: its module, up() or down() did not end within ${READ_MS / 1000} s, run without a database`,
      );
    } catch (error) {
      throw new MigrationFileError(`The migration ${shown(file)} ${messageOf(error)}`, error);
    }
  }
}

/** The order in which migrations are applied: by code units, the same on every machine. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether a file of this name is to be read as a migration. */
export function isMigrationFile(name: string): boolean {
  return /\.(?:ts|js|mjs)$/.test(name) && !name.endsWith('.d.ts');
}

/** The name of the migration in a file of this name. */
export function migrationName(name: string): string {
  return name.replace(/\.[a-z]+$/, '');
}

/** The hash of a file's text; see {@link MigrationFile.hash}. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex');
}

/** A hash as messages for people show it: enough of it to tell two files apart. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

/** A path as people who see only the project know it. */
function shown(file: string): string {
  return path.relative(process.cwd(), file) || '.';
}

async function importClass(file: string, hash: string): Promise<MigrationClass> {
  const url = pathToFileURL(file).href;
  // The hash in the address makes Node load a file anew that has changed while the process runs.
  const address = `${url}?${hash}`;
  const module: Record<string, unknown> = await import(address).catch((cause: unknown) => {
    // Where no package.json says what kind of module the file is, Node names it by its path or without the hash.
    throw new Error(`cannot be loaded: ${messageOf(cause)}${locationOf(cause, [address, url, file])}`, { cause });
  });
  const found = [module.default, ...Object.values(module)].find(isMigrationClass);
  if (!found) throw new Error('must export a class that extends Migration');
  return found;
}

/**
 * Where in a file an error is, in brackets; empty where Node does not say. Only the stack has it: a line that begins
 * with one of the file's names, and above the message a marker under the column.
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
): Promise<MigrationFile> {
  const reversible = Class.prototype.down !== Migration.prototype.down;
  const transactional = construct(Class, new DescribingDriver().driver).isTransactional();
  const statements = await statementsOf(Class, 'up');
  const downStatements = reversible ? await statementsOf(Class, 'down') : undefined;
  return {
    name,
    scope,
    hash,
    Class,
    transactional,
    reversible,
    statements,
    downStatements,
    obstacle: obstacleOf(transactional, [...(statements ?? []), ...(downStatements ?? [])]),
  };
}

function construct(Class: MigrationClass, driver: PostgreSqlDriver): Migration {
  try {
    return new Class(driver, describingConfig);
  } catch (cause) {
    throw new Error(`cannot be constructed: ${messageOf(cause)}`, { cause });
  }
}

/** A driver that has no database: what a migration asks of it fails, which tells that it cannot be described. */
class DescribingDriver {
  readonly driver: PostgreSqlDriver;
  /** Whether it was asked, even if the migration went on as if nothing had happened. */
  asked = false;

  constructor() {
    this.driver = new Proxy(new PostgreSqlDriver(describingConfig), {
      get: (driver, key, receiver) => {
        if (!databaseKeys.has(key)) return Reflect.get(driver, key, receiver);
        this.asked = true;
        throw new Error('This migration asks the database');
      },
    });
  }
}

/** The ways that a driver has to its database. */
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

function obstacleOf(transactional: boolean, statements: readonly string[]): string | undefined {
  if (!transactional) return undefined;
  const command = statements.map(findTransactionCommand).find((found) => found !== undefined);
  return command && transactionObstacle(command);
}

/** Why a migration that has this command cannot be applied. */
export function transactionObstacle(command: string): string {
  return `begins or ends a transaction (${command}), but its whole batch is one transaction, so that all of it can be rolled back. Leave the command out.`;
}
