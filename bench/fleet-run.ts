import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { createTenant } from '../src/provisioning/create-tenant.ts';
import type { FleetJob } from './fleet-contenders.ts';
import { type Benchmark, compare, interleave } from './harness.ts';
import { fixture, type Installation, openInstallation } from './installation.ts';

const TENANTS = 100;
const CONCURRENCY = 8;
const execute = promisify(execFile);

/**
 * One new migration for a fleet of databases, against the least that must be done, and against what people do today. Each
 * round is a deploy: every contender runs in a new process, whose start is not counted.
 */
export const fleetRun: Benchmark = {
  name: 'fleet-run',
  about: 'a run over 100 databases against plain pg, and against MikroORM’s migrator for one tenant after another',
  async run(signal) {
    await using place = await openInstallation();
    // Inside the checkout, so that the migrations find their packages.
    const root = await mkdtemp(path.join(import.meta.dirname, '../artifacts-bench-'));
    place.defer(() => rm(root, { recursive: true, force: true }));
    const env = { ...place.env, TENANT_MIGRATIONS_DIR: path.join(root, 'tenantry') };
    await cp(fixture.TENANT_MIGRATIONS_DIR, env.TENANT_MIGRATIONS_DIR, { recursive: true });
    await mkdir(path.join(root, 'mikro_orm'));
    const urls = await createFleet(place);
    const contend = (contender: FleetJob['contender']) => async (round: number) => {
      const folder = path.join(root, contender);
      // All work in the same databases, each on tables of its own.
      const table = `${contender}_${round}`;
      const statements = [`CREATE TABLE ${table} (id uuid PRIMARY KEY, note text)`, `CREATE INDEX ON ${table} (note)`];
      if (contender !== 'plain') await writeMigration(folder, round, statements);
      const job: FleetJob = { contender, urls, concurrency: CONCURRENCY, folder, statements };
      const script = path.join(import.meta.dirname, 'fleet-contenders.ts');
      const { stdout } = await execute(process.execPath, [script, JSON.stringify(job)], { env });
      return Number(stdout) / TENANTS;
    };
    const { plain, tenantry, mikroOrm } = await interleave(
      { plain: contend('plain'), tenantry: contend('tenantry'), mikroOrm: contend('mikro_orm') },
      { rounds: 5, warmUp: 1, signal },
    );
    return [
      compare('migrate a tenant, plain pg', 'ms', { atMost: 1.5 }, { baseline: plain, tenantry }),
      compare('migrate a tenant, MikroORM in turn', 'ms', { atMost: 0.25 }, { baseline: mikroOrm, tenantry }),
    ];
  },
};

/** Tenants with a database each; gives the addresses. */
async function createFleet(place: Installation): Promise<string[]> {
  await using app = await place.openApp();
  const urls: string[] = [];
  for (let index = 0; index < TENANTS; index += 1) {
    const { database } = await createTenant(app.services.provisioning, { slug: `tenant-${index}`, name: 'Bench' });
    const client = await place.connect(database);
    await client.query(`CREATE TABLE plain_history (
      name text PRIMARY KEY, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
    await client.end();
    urls.push(place.urlOf(database));
  }
  return urls;
}

async function writeMigration(folder: string, round: number, statements: readonly string[]): Promise<void> {
  const name = `Migration${20270101000000 + round}`;
  const lines = statements.map((statement) => `this.addSql(${JSON.stringify(statement)});`);
  await writeFile(
    path.join(folder, `${name}.ts`),
    `import { Migration } from '@mikro-orm/migrations';
export class ${name} extends Migration { override up(): void { ${lines.join(' ')} } }
`,
  );
}
