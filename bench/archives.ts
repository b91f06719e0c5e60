import { execFile } from 'node:child_process';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { exportArchive } from '../src/archive/export/export-archive.ts';
import { writeFileWhole } from '../src/archive/export/output-file.ts';
import { defaultLimits } from '../src/archive/format/limits.ts';
import { importArchive } from '../src/archive/import/import-archive.ts';
import { openArchive } from '../src/archive/import/input-file.ts';
import { tenantByReference } from '../src/catalog/find-tenants.ts';
import type { Services } from '../src/installation/services.ts';
import { quoteIdentifier } from '../src/postgres/sql/quote.ts';
import { deleteTenant } from '../src/tenants/delete.ts';
import { debianPostgres, forBulk } from './debian-postgres.ts';
import { type Benchmark, compare, interleave, limit, type Result, timed } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { createTenants } from './tenants.ts';

const run = promisify(execFile);

const ROWS = Number(process.env.ARCHIVE_ROWS ?? 300_000);

/** Exporting and importing a tenant, compared with PostgreSQL's own programs. */
export const archives: Benchmark = {
  name: 'archives',
  about: `exporting and importing a tenant of ${ROWS} rows, compared with pg_dump -Fc and pg_restore`,
  async run(signal) {
    await using postgres = await debianPostgres(forBulk);
    if (!postgres) {
      process.stderr.write("Skipped: PostgreSQL's programs of Debian are missing (package postgresql-15)\n");
      return [];
    }
    await using place = await openBenchInstallation(postgres.url);
    await using app = await place.openApp();
    const { services } = app;
    const [slug = ''] = await createTenants(services, 1, { isolation: 'DATABASE' });
    const tenant = await tenantByReference(services.catalog, slug);
    const client = await place.connect(tenant.database);
    await client.query(
      `INSERT INTO products (sku, name, price, currency, stock)
       SELECT 'sku-' || n, 'A thing that is called ' || md5(n::text), n % 1000, 'EUR', n % 50 FROM generate_series(1, $1::int) n`,
      [ROWS],
    );
    // Otherwise the first reader would write them.
    await client.query('VACUUM ANALYZE products');
    await client.end();
    const rounds = { rounds: 5, warmUp: 1, signal };
    const [dump, archive] = ['dump', 'archive'].map((name) => path.join(place.folder, name));
    if (!dump || !archive) throw new Error('There are two files');
    const exports = await interleave(
      {
        baseline: () => timed(() => run('pg_dump', ['-Fc', '-f', dump, place.urlOf(tenant.database)])),
        tenantry: () => timed(() => exportTo(services, slug, archive, signal)),
      },
      rounds,
    );
    const imports = await interleave(
      {
        baseline: (round) => restore(place, dump, round),
        tenantry: (round) => importFrom(services, archive, round, signal),
      },
      rounds,
    );
    const sizes = await Promise.all([dump, archive].map(async (file) => (await stat(file)).size / 1e6));
    return [
      compare('export a tenant', 'ms', { atMost: 2 }, exports),
      compare('import a tenant', 'ms', { atMost: 2 }, imports),
      limit('size of the file', 'MB', { atMost: (sizes[0] ?? 0) * 1.3 }, sizes[1] ?? Number.NaN, sizes[0]),
      ...(await memory(services, slug, archive, signal)),
    ];
  },
};

async function exportTo({ servers, provisioning, catalog }: Services, slug: string, file: string, signal: AbortSignal) {
  const tenant = await tenantByReference(catalog, slug);
  const options = { catalog, servers, files: provisioning.files, signal };
  await writeFileWhole(file, true, (output) => exportArchive(options, tenant, output));
}

async function importAs({ transfers }: Services, file: string, slug: string, signal: AbortSignal): Promise<void> {
  await using source = await openArchive(file, process.stdin, defaultLimits.maxBytes, signal);
  const options = { transfers, limits: defaultLimits, requestedBy: null, signal };
  await importArchive(options, source, { slug, isolation: 'DATABASE' });
}

async function importFrom(services: Services, file: string, round: number, signal: AbortSignal): Promise<number> {
  const slug = `imported-${round}`;
  const duration = await timed(() => importAs(services, file, slug, signal));
  await deleteTenant(services.provisioning, slug, { confirmation: slug, purge: true, by: 'bench' });
  return duration;
}

async function restore(place: BenchInstallation, dump: string, round: number): Promise<number> {
  const name = `${place.prefix}_restored_${round}`;
  const admin = await place.connect();
  const duration = await timed(async () => {
    await admin.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0`);
    await run('pg_restore', ['--no-owner', '--no-privileges', '-d', place.urlOf(name), dump]).catch((error: unknown) =>
      access(dump).then(() => {
        // The schema public exists in every database, which pg_restore reports and ignores.
        if (!String(error).includes('errors ignored on restore')) throw error;
      }),
    );
  });
  await admin.query(`DROP DATABASE ${quoteIdentifier(name)} WITH (FORCE)`);
  await admin.end();
  return duration;
}

/** How much the process grows meanwhile. What it has used before is not used again, so that it counts. */
async function memory(services: Services, slug: string, file: string, signal: AbortSignal): Promise<Result[]> {
  const peakOf = async (work: () => Promise<unknown>) => {
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 20);
    try {
      await work();
    } finally {
      clearInterval(timer);
    }
    return (peak - before) / 1e6;
  };
  const exported = await peakOf(() => exportTo(services, slug, file, signal));
  const imported = await peakOf(() => importAs(services, file, 'imported-memory', signal));
  return [
    limit('memory while exporting', 'MB', { atMost: 100 }, exported),
    limit('memory while importing', 'MB', { atMost: 100 }, imported),
  ];
}
