import path from 'node:path';
import { expect, it } from 'vitest';
import { sqlScript } from '../../src/fleet/psql-script.ts';
import { MigrationFolder } from '../../src/migrator/files/migration-folder.ts';

it('expects no step of the plan to be applied already, though the folder was read again since', async () => {
  const folder = path.join(import.meta.dirname, '../fixture/migrations');
  const [steps, files] = await Promise.all(
    Array.from({ length: 2 }, () => new MigrationFolder(folder, 'TENANT').read()),
  );
  const roles = { app: 'app', databaseTenants: 'database_tenants', schemaTenants: 'schema_tenants' };
  const script = sqlScript([{ steps: steps ?? [], common: [], tenants: [] }], files ?? [], roles);
  expect(script).toContain('has @> ARRAY[]::text[]');
});
