/** One contender's run over the fleet, in a process of its own as a deploy has it; prints its milliseconds. */
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import pLimit from 'p-limit';
import pg from 'pg';
import { pino } from 'pino';
import { createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { followRun } from '../src/events/run-events.ts';
import { startRun } from '../src/migrator/start-run.ts';
import type { Services } from '../src/services.ts';
import { moduleEntities } from '../test/fixture/modules.ts';
import { timed } from './harness.ts';

/** What a contender is told, as JSON in its first argument. */
export interface FleetJob {
  readonly contender: 'plain' | 'tenantry' | 'mikro_orm';
  readonly urls: readonly string[];
  readonly concurrency: number;
  /** The new migration, for those that read files. */
  readonly folder: string;
  /** The same, for those that do not. */
  readonly statements: readonly string[];
}

// The benchmark wrote it.
const job = JSON.parse(process.argv[2] ?? '') as FleetJob;
process.stdout.write(String(await measure(job)));

async function measure({ contender, urls, concurrency, folder, statements }: FleetJob): Promise<number> {
  if (contender === 'plain') return timed(() => plainRun(urls, statements, concurrency));
  if (contender === 'mikro_orm') return timed(() => mikroOrmRun(urls, folder));
  await using app = await createApp(loadConfig(process.env), pino({ level: 'warn' }, process.stderr));
  return await timed(() => tenantryRun(app.services, concurrency, urls.length));
}

/** Connect, one transaction with the statements and a history row, close. */
async function plainRun(urls: readonly string[], statements: readonly string[], concurrency: number): Promise<void> {
  await pLimit(concurrency).map(urls, async (url) => {
    const client = new pg.Client(url);
    await client.connect();
    await client.query('BEGIN');
    await client.query(statements.join(';'));
    await client.query('INSERT INTO plain_history (name, hash) VALUES ($1, $2)', [statements[0], 'x'.repeat(64)]);
    await client.query('COMMIT');
    await client.end();
  });
}

/** As its documentation has it for one database, with its defaults, for one tenant after another. */
async function mikroOrmRun(urls: readonly string[], folder: string): Promise<void> {
  for (const clientUrl of urls) {
    const orm = await MikroORM.init({
      entities: [...moduleEntities],
      clientUrl,
      extensions: [Migrator],
      migrations: { path: folder },
      logger: () => undefined,
    });
    await orm.migrator.up();
    await orm.close();
  }
}

async function tenantryRun(services: Services, concurrency: number, tenants: number): Promise<void> {
  const { runs, migrations, catalog, listener } = services;
  const files = await migrations.tenant.read();
  const id = await startRun(runs, files, { dryRun: false, continueOnError: true, concurrency, verify: false });
  for await (const { kind, message } of followRun(catalog, listener, id)) {
    if (kind === 'RUN_ENDED' && !message?.startsWith(`${tenants} succeeded`)) throw new Error(`The run: ${message}`);
  }
}
