import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import pLimit from 'p-limit';
import type { Isolation } from '../src/catalog/entities/tenant.entity.ts';
import { quoteIdentifier } from '../src/postgres/sql/quote.ts';
import { createTenant } from '../src/tenants/create.ts';
import type { FleetJob } from './fleet-contenders.ts';
import { type BenchInstallation, fixture } from './installation.ts';

/** The number of tenants at once: the default of runs. */
const CONCURRENCY = 8;
const execute = promisify(execFile);

/** Returns the average time per tenant in milliseconds of one round, in which the fleet gets one new migration. */
export type Contend = (contender: FleetJob['contender']) => (round: number) => Promise<number>;

/**
 * Creates tenants for contenders to migrate. Each round is like a deployment: every contender runs in a new process. The start of
 * the process does not count.
 */
export async function openFleet(place: BenchInstallation, isolation: Isolation, count: number): Promise<Contend> {
  const folders = {
    tenantry: await makeMigrationFolder(place),
    mikro_orm: await makeMigrationFolder(place, { empty: true }),
    plain: undefined,
  };
  const env = { ...place.env, TENANT_MIGRATIONS_DIR: folders.tenantry };
  const tenants = await createFleet(place, isolation, count);
  return (contender) => async (round) => {
    // All contenders use the same databases, but each its own tables.
    const statements = newTable(`${contender}_${round}`);
    const folder = folders[contender];
    if (folder !== undefined) await writeMigration(folder, round, statements);
    const job: FleetJob = { contender, isolation, tenants, concurrency: CONCURRENCY, folder, statements };
    const file = path.join(place.folder, 'job.json');
    await writeFile(file, JSON.stringify(job));
    const script = path.join(import.meta.dirname, 'fleet-contenders.ts');
    const { stdout } = await execute(process.execPath, [script, file], { env });
    return Number(stdout) / count;
  };
}

/** Returns the statements of a round's migration. */
export function newTable(name: string): string[] {
  return [`CREATE TABLE ${name} (id uuid PRIMARY KEY, note text)`, `CREATE INDEX ON ${name} (note)`];
}

/** Creates a folder of tenant migrations, which is removed with the installation. Returns its path. */
export async function makeMigrationFolder(place: BenchInstallation, { empty = false } = {}): Promise<string> {
  // Inside the checkout, so that the migrations find their packages.
  const folder = await mkdtemp(path.join(import.meta.dirname, '../artifacts-bench-'));
  place.defer(() => rm(folder, { recursive: true, force: true }));
  if (!empty) await cp(fixture.TENANT_MIGRATIONS_DIR, folder, { recursive: true });
  return folder;
}

/** Writes the migration of a round. Its name sorts after those of earlier rounds. */
export async function writeMigration(folder: string, round: number, statements: readonly string[]): Promise<void> {
  const name = `Migration${20270101000000 + round}`;
  const lines = statements.map((statement) => `this.addSql(${JSON.stringify(statement)});`);
  await writeFile(
    path.join(folder, `${name}.ts`),
    `import { Migration } from '@mikro-orm/migrations';
export class ${name} extends Migration { override up(): void { ${lines.join(' ')} } }
`,
  );
}

/** Creates tenants, each with a history table for contenders that have none. */
async function createFleet(
  place: BenchInstallation,
  isolation: Isolation,
  count: number,
): Promise<FleetJob['tenants']> {
  await using app = await place.openApp();
  await app.prepared;
  return await pLimit(2).map(Array.from({ length: count }).keys(), async (index) => {
    const input = { slug: `tenant-${index}`, name: 'Bench', isolation };
    const { database, schema } = await createTenant(app.services.provisioning, input);
    const client = await place.connect(database);
    await client.query(`CREATE TABLE ${quoteIdentifier(schema)}.plain_history (
      name text PRIMARY KEY, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
    await client.end();
    return { url: place.urlOf(database), schema };
  });
}
