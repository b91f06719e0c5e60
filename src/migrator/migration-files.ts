import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Configuration } from '@mikro-orm/core';
import { Migration } from '@mikro-orm/migrations';
import { PostgreSqlDriver } from '@mikro-orm/postgresql';
import type { MigrationScope } from '../catalog/migration-record.entity.ts';
import { messageOf } from '../errors.ts';

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
  /** Its class, to be run against a database. */
  readonly Class: MigrationClass;
}

/** A file that is no migration, or cannot be read as one; its message names it. */
export class MigrationFileError extends Error {
  override readonly name = 'MigrationFileError';
}

const fileName = /^(?:Migration)?\d{14}(?:[_-][A-Za-z0-9_-]+)?\.(?:ts|js|mjs)$/;

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
      throw new MigrationFileError(`The folder with ${this.scope} migrations, ${this.path}, cannot be read`, { cause });
    });
    const files = await Promise.all(
      names
        .filter((name) => /\.(?:ts|js|mjs)$/.test(name) && !name.endsWith('.d.ts'))
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
    if (!fileName.test(name)) {
      throw new MigrationFileError(
        `${name} in ${this.path} is no name of a migration; it should be like 20260131120000_add_notes.ts`,
      );
    }
    const file = path.join(this.path, name);
    const hash = hashOf(await readFile(file, 'utf8'));
    const migration = name.replace(/\.[a-z]+$/, '');
    return (
      this.#known.get(`${migration}:${hash}`) ?? describe(await importClass(file, hash), migration, this.scope, hash)
    );
  }
}

/** The order in which migrations are applied: by code units, the same on every machine. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex');
}

async function importClass(file: string, hash: string): Promise<MigrationClass> {
  // The hash in the address makes Node load a file anew that has changed while the process runs.
  const module: Record<string, unknown> = await import(`${pathToFileURL(file).href}?${hash}`).catch(
    (cause: unknown) => {
      throw new MigrationFileError(`The migration ${file} cannot be loaded: ${messageOf(cause)}`, { cause });
    },
  );
  const found = Object.values(module).find(isMigrationClass);
  if (!found) throw new MigrationFileError(`The migration ${file} must export a class that extends Migration`);
  return found;
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
  return {
    name,
    scope,
    hash,
    Class,
    transactional: new Class(describingDriver(), describingConfig).isTransactional(),
    reversible,
    statements: await statementsOf(Class, 'up'),
    downStatements: reversible ? await statementsOf(Class, 'down') : undefined,
  };
}

/** A driver that has no database: what a migration asks of it fails, which tells that it cannot be described. */
function describingDriver(): PostgreSqlDriver {
  return new Proxy(new PostgreSqlDriver(describingConfig), {
    get(driver, key, receiver) {
      if (key === 'execute' || key === 'createEntityManager' || key === 'getConnection') {
        throw new Error('This migration asks the database');
      }
      return Reflect.get(driver, key, receiver);
    },
  });
}

async function statementsOf(Class: MigrationClass, direction: Direction): Promise<readonly string[] | undefined> {
  const instance = new Class(describingDriver(), describingConfig);
  try {
    await instance[direction]();
  } catch {
    return undefined;
  }
  const queries = instance.getQueries();
  return queries.every((query) => typeof query === 'string') ? queries : undefined;
}
