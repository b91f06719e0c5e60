import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { copyPlace } from '../src/copying/copy-place.ts';
import { PARALLEL_TABLES, placeOn } from '../src/copying/place-on.ts';
import { newPlacement, newTenantKey } from '../src/routing/placement.ts';
import { createTenant } from '../src/tenants/create.ts';
import { makeMigrationDir } from '../test/support/migration-dir.ts';
import { type Benchmark, compare, interleave, timed } from './harness.ts';
import { openBenchInstallation } from './installation.ts';

const run = promisify(execFile);

/** The rows of each table, the ones that others refer to first. They are 100,000 together. */
const tables = { customers: 10_000, orders: 30_000, lines: 60_000 } as const;

/** Copying a tenant offline, compared with psql. */
export const copy: Benchmark = {
  name: 'copy',
  about:
    'making a copy of a tenant with 100,000 rows and proving it, compared with COPY through a pipe of two psql into tables that exist',
  async run(signal) {
    if (!(await hasPsql())) {
      process.stderr.write('copy is left out: it needs psql on PATH\n');
      return [];
    }
    await using migrations = await makeMigrationDir();
    await migrations.add(
      '20270101000000_copied',
      `CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text UNIQUE, created_at timestamptz)`,
      `CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int UNIQUE, customer int NOT NULL REFERENCES customers, total numeric(12, 2), placed_at timestamptz)`,
      `CREATE TABLE lines (id bigint PRIMARY KEY, "order" int NOT NULL REFERENCES orders (n), sku text NOT NULL, quantity int, price numeric(12, 2), note text)`,
      `CREATE INDEX lines_order ON lines ("order")`,
    );
    await using place = await openBenchInstallation();
    await using app = await place.openApp({ TENANT_MIGRATIONS_DIR: migrations.path });
    const { services } = app;
    const tenants = await Promise.all(
      ['copied', 'piped'].map((slug) =>
        createTenant(services.provisioning, { slug, name: slug, isolation: 'DATABASE' }),
      ),
    );
    const [source, piped] = tenants;
    if (!source || !piped) throw new Error('There are two tenants');
    const client = await place.connect(source.database);
    await client.query(`
      INSERT INTO customers SELECT n, 'Customer ' || n, n || '@example.com', now() - n * interval '1 minute' FROM generate_series(1, ${tables.customers}) n;
      INSERT INTO orders (n, customer, total, placed_at) SELECT n, 1 + n % ${tables.customers}, n * 0.37, now() - n * interval '1 second' FROM generate_series(1, ${tables.orders}) n;
      INSERT INTO lines SELECT n, 1 + n % ${tables.orders}, 'sku-' || n % 977, n % 9, n * 0.11, repeat('note ', n % 12) FROM generate_series(1, ${tables.lines}) n;
      ANALYZE`);
    const target = await place.connect(piped.database);
    const { server, provisioner } = await services.servers.find(source.server);
    const applied = (await services.migrations.tenant.read()).map(({ name, hash }) => ({ name, hash }));
    const samples = await interleave(
      {
        baseline: async () => {
          await target.query(`TRUNCATE ${Object.keys(tables).join(', ')}`);
          const command = Object.keys(tables)
            .map((table) => `psql -qX "$1" -c 'COPY ${table} TO STDOUT' | psql -qX "$2" -c 'COPY ${table} FROM STDIN'`)
            .join(' && ');
          const urls = [place.urlOf(source.database), place.urlOf(piped.database)];
          return timed(() => run('/bin/sh', ['-c', command, 'sh', ...urls]));
        },
        tenantry: async () => {
          const key = newTenantKey();
          const to = { key, isolation: 'DATABASE', ...newPlacement(key, 'DATABASE', source.server, '') } as const;
          const ms = await timed(async () => {
            await provisioner.makeLike(to, applied);
            await copyPlace({
              from: placeOn(server, source),
              to: placeOn(server, to),
              parallel: PARALLEL_TABLES,
              signal,
            });
          });
          await provisioner.remove(to);
          return ms;
        },
      },
      { rounds: 11, warmUp: 2, signal },
    );
    return [compare('copy a tenant of 100,000 rows offline', 'ms', { atMost: 1.5 }, samples)];
  },
};

async function hasPsql(): Promise<boolean> {
  return run('psql', ['--version']).then(
    () => true,
    () => false,
  );
}
