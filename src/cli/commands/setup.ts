import type { Command } from 'commander';
import { showHost } from '../../config/server-hosts.ts';
import type { Services } from '../../installation/services.ts';
import { elapsedSince } from '../../lib/time.ts';
import type { Pool } from '../../postgres/pool/pool.ts';
import { withServices } from '../open-app.ts';
import { describeTypos } from '../typos.ts';
import { Checklist, checkNode } from '../ui/checklist.ts';
import { type CommandContext, CommandExit, exitCode } from '../ui/terminal.ts';

/** `tenantry setup`: prepares the installation for the first request. */
export function addSetupCommand(program: Command, context: CommandContext): void {
  program
    .command('setup')
    .description('Check the requirements, create and migrate the system databases, and create tenants; safe to repeat')
    .option('--tenant <slug...>', 'tenants to create if they do not exist')
    .action(({ tenant = [] }: { tenant?: readonly string[] }) => setUp(context, tenant));
}

async function setUp(context: CommandContext, slugs: readonly string[]): Promise<void> {
  const list = new Checklist(context);
  checkNode(list);
  if (list.problems > 0) throw new CommandExit(exitCode.failure);
  for (const text of await describeTypos(context.fileNames)) list.doubt(text);
  const { loadUsableConfig } = await import('../../config/usable-config.ts');
  const { environment, server: address, dataDir, databases } = await loadUsableConfig(context.env);
  list.good(`The settings are valid (${environment})`);
  const start = performance.now();
  await withServices(context, async (services) => {
    const location = address ? showHost(address) : `built in, in ${dataDir}`;
    list.good(`PostgreSQL ${await readVersion(services)}, ${location}`);
    const done = await describeMigrations(services, elapsedSince(start));
    list.good(`The databases ${databases.auth}, ${databases.constants} and ${databases.shared} ${done}`);
    await prepareTemplate(services);
    list.good('The template for tenants is ready');
    for (const slug of slugs) list.good(await ensureTenant(services, slug));
  });
  const [first = 'acme'] = slugs;
  context.stdout.write(`
Next steps:
  npm start                                      start the server, with GraphiQL
  npm run -s tenantry -- token --tenant ${first.padEnd(8)} print a token for a tenant
  npm run -s tenantry -- migrate status          see which version the tenants are at
`);
}

async function readVersion({ servers }: Services): Promise<string> {
  const { FIRST_SERVER } = await import('../../catalog/entities/database-server.entity.ts');
  const { checkServer } = await import('../../servers/check.ts');
  const { server } = await servers.find(FIRST_SERVER);
  return showVersion((await checkServer(server)).version);
}

/**
 * Describes what setting up the system databases has done.
 * @param sinceMs how long ago the setup started
 */
async function describeMigrations({ catalog, constants }: Services, sinceMs: number): Promise<string> {
  const read = async (database: Pick<Pool, 'use'>) => {
    const { rows } = await database.use((client) =>
      client.query<{ total: number; fresh: number }>(
        `SELECT count(*)::int AS total, count(*) FILTER (WHERE applied_at > clock_timestamp() - $1 * interval '1 millisecond')::int
           AS fresh FROM migration_history`,
        [sinceMs],
      ),
    );
    return rows[0] ?? { total: 0, fresh: 0 };
  };
  const histories = await Promise.all([catalog, constants.pool].map(read));
  const fresh = histories.reduce((sum, history) => sum + history.fresh, 0);
  if (fresh === 0) return 'exist and are at the newest version';
  const isNew = histories.every((history) => history.fresh === history.total);
  return isNew ? 'were created' : `were migrated to the newest version: ${fresh} migrations`;
}

/** Formats a version number of PostgreSQL, such as 150004 for 15.4. */
export function showVersion(version: number): string {
  return `${Math.trunc(version / 10_000)}.${version % 10_000}`;
}

/** Builds the template for tenants. Opening the installation does so too, but ignores failures. */
async function prepareTemplate({ servers }: Services): Promise<void> {
  const { FIRST_SERVER } = await import('../../catalog/entities/database-server.entity.ts');
  const { provisioner } = await servers.find(FIRST_SERVER);
  await provisioner.prepare();
}

async function ensureTenant({ provisioning, directory }: Services, slug: string): Promise<string> {
  const { AppError } = await import('../../lib/errors.ts');
  const { createTenant } = await import('../../tenants/create.ts');
  try {
    const { database, schema } = await createTenant(provisioning, { slug, name: slug });
    return `The tenant ${slug} was created: database ${database}, schema ${schema}`;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== 'SLUG_TAKEN') {
      throw new AppError(error.code, `The tenant ${slug} cannot be created: ${error.message}`, { cause: error });
    }
    const tenant = await directory.byReference(slug);
    return `The tenant ${slug} already exists (${tenant?.status})`;
  }
}
