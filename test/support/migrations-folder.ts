import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A folder with the tenant migrations of the project, to which a test adds its own. */
export interface MigrationsFolder extends AsyncDisposable {
  readonly path: string;
  /** Adds a migration, or changes the one that has this name. */
  write(name: string, up: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Copies the project's tenant migrations. */
export async function copyMigrations(): Promise<MigrationsFolder> {
  // Inside the checkout, so that the migrations find their packages.
  const folder = await mkdtemp(path.join(import.meta.dirname, '../../artifacts-migrations-'));
  await cp(path.join(import.meta.dirname, '../fixture/migrations'), folder, { recursive: true });
  const file = (name: string) => path.join(folder, `${name}.ts`);
  return {
    path: folder,
    write: (name, up) =>
      writeFile(
        file(name),
        `import { Migration } from '@mikro-orm/migrations';
export default class extends Migration { override up(): void { this.addSql(${JSON.stringify(up)}); } }
`,
      ),
    remove: (name) => rm(file(name)),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
