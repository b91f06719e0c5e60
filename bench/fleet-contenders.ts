/** Runs one contender over the fleet in its own process, like a deployment, and prints the time in milliseconds. */
import { readFile } from 'node:fs/promises';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import pLimit from 'p-limit';
import pg from 'pg';
import { pino } from 'pino';
import type { Isolation } from '../src/catalog/entities/tenant.entity.ts';
import { loadConfig } from '../src/config/config.ts';
import { openInstallation } from '../src/installation/open.ts';
import { quoteIdentifier } from '../src/postgres/sql/quote.ts';
import { product } from '../test/fixture/product.ts';
import { timed } from './harness.ts';
import { runFleet } from './run-fleet.ts';

/** The task of a contender: JSON in the file that the first argument names. */
export interface FleetJob {
  readonly contender: 'plain' | 'tenantry' | 'mikro_orm';
  readonly isolation: Isolation;
  readonly tenants: readonly { readonly url: string; readonly schema: string }[];
  readonly concurrency: number;
  /** The folder with the new migration, for contenders that read files. */
  readonly folder: string | undefined;
  /** The statements of the new migration, for the others. */
  readonly statements: readonly string[];
}

// The benchmark has written this file.
const job = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as FleetJob;
process.stdout.write(String(await measure(job)));

async function measure(fleet: FleetJob): Promise<number> {
  const { contender, isolation, tenants, concurrency } = fleet;
  if (contender === 'plain')
    return timed(() => (isolation === 'DATABASE' ? plainDatabases(fleet) : plainSchemas(fleet)));
  if (contender === 'mikro_orm') return timed(() => mikroOrmRun(fleet));
  await using app = await openInstallation(loadConfig(process.env), product, pino({ level: 'warn' }, process.stderr));
  // The template for new tenants is built in the background. It must not slow down the run.
  await app.prepared;
  return await timed(() => runFleet(app.services, { succeeded: tenants.length, concurrency }));
}

/** Connects to each database, runs one transaction with the statements and a history row, and closes the connection. */
async function plainDatabases({ tenants, statements, concurrency }: FleetJob): Promise<void> {
  await pLimit(concurrency).map(tenants, async ({ url, schema }) => {
    const client = new pg.Client(url);
    await client.connect();
    await plainTransaction(client, schema, statements);
    await client.end();
  });
}

/** Runs the same transactions over a fixed number of connections. */
async function plainSchemas({ tenants, statements, concurrency }: FleetJob): Promise<void> {
  const open = tenants.values();
  const work = async () => {
    const client = new pg.Client(tenants[0]?.url);
    await client.connect();
    for (const { schema } of open) await plainTransaction(client, schema, statements);
    await client.end();
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

async function plainTransaction(client: pg.Client, schema: string, statements: readonly string[]): Promise<void> {
  await client.query(`BEGIN; SET LOCAL search_path = ${quoteIdentifier(schema)}`);
  await client.query(statements.join(';'));
  await client.query('INSERT INTO plain_history (name, hash) VALUES ($1, $2)', [statements[0], 'x'.repeat(64)]);
  await client.query('COMMIT');
}

/** Runs MikroORM's migrator with its defaults, as documented for one database, for one tenant after another. */
async function mikroOrmRun({ tenants, folder }: FleetJob): Promise<void> {
  for (const { url } of tenants) {
    const orm = await MikroORM.init({
      entities: product.modules.flatMap((module) => module.entities),
      clientUrl: url,
      extensions: [Migrator],
      ...(folder !== undefined && { migrations: { path: folder } }),
      logger: () => undefined,
    });
    await orm.migrator.up();
    await orm.close();
  }
}
