import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A folder of tenant migrations of a test's own; it begins with those of the checkout. */
export interface TestMigrations extends AsyncDisposable {
  readonly dir: string;
  /** Writes a migration of one statement, with a `down()` if there is something to send in it. */
  write(name: string, up: string, down?: string): Promise<void>;
  remove(name: string): Promise<void>;
}

export async function makeMigrationFolder(): Promise<TestMigrations> {
  // Inside the checkout, so that the migrations find their packages.
  const dir = await mkdtemp(path.join(import.meta.dirname, '../../artifacts-migrations-'));
  await cp('test/fixture/migrations', dir, { recursive: true });
  const method = (name: string, sql: string) => `override ${name}(): void { this.addSql(${JSON.stringify(sql)}); }`;
  return {
    dir,
    write: (name, up, down) =>
      writeFile(
        path.join(dir, `${name}.ts`),
        `import { Migration } from '@mikro-orm/migrations';
export default class extends Migration { ${method('up', up)} ${down === undefined ? '' : method('down', down)} }
`,
      ),
    remove: (name) => rm(path.join(dir, `${name}.ts`)),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
