import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A folder of tenant migrations that a test can change while the app runs. */
export interface MigrationDir extends AsyncDisposable {
  readonly path: string;
  /** Writes a migration whose `up()` adds these statements. Replaces one with the same name. */
  add(name: string, ...statements: readonly string[]): Promise<void>;
  /** Writes a migration of one statement, and of another that takes it back. */
  addReversible(name: string, up: string, down: string): Promise<void>;
  /** Writes a migration with this text as the body of its class. */
  addClass(name: string, body: string): Promise<void>;
  /** Writes a backfill: `statement` has `KEYS` where the condition for the rows of a batch goes. */
  addBackfill(name: string, table: string, statement: string, body?: string): Promise<void>;
  /** Writes any file. */
  write(fileName: string, text: string): Promise<void>;
  remove(...names: readonly string[]): Promise<void>;
}

/** Makes a folder with the migrations that Tenantry comes with, or an empty one. */
export async function makeMigrationDir({ empty = false } = {}): Promise<MigrationDir> {
  // Inside the checkout, so that the migrations find their packages.
  const dir = await mkdtemp(path.join(import.meta.dirname, '../../artifacts-migrations-'));
  if (!empty) await cp(path.join(import.meta.dirname, '../fixture/migrations'), dir, { recursive: true });
  const write = (fileName: string, text: string) => writeFile(path.join(dir, fileName), text);
  const addClass = (name: string, body: string) => write(`${name}.ts`, migrationText(body));
  return {
    path: dir,
    write,
    addClass,
    add: (name, ...statements) => addClass(name, method('up', ...statements)),
    addReversible: (name, up, down) => addClass(name, `${method('up', up)} ${method('down', down)}`),
    addBackfill: (name, table, statement, body = '') => write(`${name}.ts`, backfillText(table, statement, body)),
    remove: async (...names) => {
      for (const name of names) await rm(path.join(dir, `${name}.ts`));
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The text of a migration's file. */
export function migrationText(body: string): string {
  return `import { Migration } from '@mikro-orm/migrations';\nexport default class extends Migration { ${body} }\n`;
}

function backfillText(table: string, statement: string, body: string): string {
  const batch = `batch(keys: string) { return ${JSON.stringify(statement)}.replace('KEYS', () => keys); }`;
  return `import { Backfill } from '../src/platform.ts';
export default class extends Backfill { override readonly table = ${JSON.stringify(table)}; ${batch} ${body} }
`;
}

function method(name: 'up' | 'down', ...statements: readonly string[]): string {
  return `override ${name}() { ${statements.map((sql) => `this.addSql(${JSON.stringify(sql)});`).join(' ')} }`;
}
