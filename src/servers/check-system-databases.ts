import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import { messageOf } from '../lib/errors.ts';
import { readAppliedSql } from '../migrator/files/history.ts';
import type { MigrationFolder } from '../migrator/files/migration-folder.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import { isUnreachable } from '../postgres/sql/error-codes.ts';

/** A system database and the migrations that it should have. */
export interface ExpectedDatabase {
  readonly name: string;
  readonly pool: Pick<Pool, 'use'>;
  readonly migrations: MigrationFolder;
}

const remedy =
  'First run `tenantry setup`, or `tenantry migrate system`, with ADMIN_DATABASE_URL and the same ROLE_SECRET.';

/**
 * Checks that the system databases exist and have all migrations, for a process that may not create or migrate them.
 * @throws {Error} with what to do
 */
export async function checkSystemDatabases(expected: readonly ExpectedDatabase[]): Promise<void> {
  for (const { name, pool, migrations } of expected) {
    const files = await migrations.read();
    const applied = await readApplied(name, pool);
    const missing = files.filter((file) => !applied.has(file.name));
    if (missing.length > 0) {
      throw new Error(
        `The database ${name} lacks ${missing.length} migrations, and this process may not apply them because it only serves. ${remedy}`,
      );
    }
  }
}

async function readApplied(name: string, pool: Pick<Pool, 'use'>): Promise<ReadonlySet<string>> {
  try {
    const { rows } = await pool.use((client) => client.query<AppliedMigration>(readAppliedSql('public')));
    return new Set(rows.map((row) => row.name));
  } catch (cause) {
    if (isUnreachable(cause)) throw cause;
    throw new Error(
      `The database ${name} cannot be used (${messageOf(cause)}), and this process may not create it because it only serves. ${remedy}`,
      { cause },
    );
  }
}
