import { userInfo } from 'node:os';
import path from 'node:path';
import { type Command, Option } from 'commander';
import type { MigrationScope } from '../catalog/migration-record.entity.ts';
import type { Finding } from '../migrator/check-migrations.ts';
import type { Services } from '../services.ts';
import { scopeNames } from './migrate-status.ts';
import { withServices } from './open-app.ts';
import { writeTable } from './table.ts';
import { type CommandContext, CommandExit, exitCode, writeJson } from './terminal.ts';

interface AcceptOptions {
  readonly tenant?: string;
  readonly scope: string;
}

interface CheckOptions {
  readonly base?: string;
  readonly json?: true;
}

interface NewOptions {
  readonly scope: string;
  readonly blank?: true;
}

/** `tenantry migrate new | system | accept | check`: the databases of the installation itself, and the files. */
export function addFileCommands(migrate: Command, context: CommandContext): void {
  migrate
    .command('new')
    .description('Write a migration from what entities say and migrations do not make yet')
    .argument('<name>', 'a few words, such as add_notes')
    .addOption(new Option('--scope <scope>', 'which kind of database it is for').choices(scopeNames).default('tenant'))
    .option('--blank', 'leave it empty')
    .action((name: string, options: NewOptions) => writeNew(context, name, options));
  migrate
    .command('system')
    .description(
      'Bring auth and constants forward, as every start of a server does, and tell at which version they are',
    )
    .option('--json', 'print JSON')
    .action((options: { json?: true }) => system(context, options));
  migrate
    .command('accept')
    .description("Accept that a migration's file has been changed on purpose, so that runs go on")
    .argument('<name>', "the migration's name")
    .option('--tenant <slug>', 'only in this tenant, by slug or id')
    .addOption(new Option('--scope <scope>', 'which kind of database it is for').choices(scopeNames).default('tenant'))
    .action((name: string, options: AcceptOptions) => accept(context, name, options));
  migrate
    .command('check')
    .description('For CI: find entities without a migration, changed or misordered files, and files without down()')
    .option('--base <revision>', 'compare with the files of this revision of git, such as origin/main, too')
    .option('--json', 'print JSON')
    .action((options: CheckOptions) => check(context, options));
}

async function writeNew(context: CommandContext, name: string, { scope, blank }: NewOptions): Promise<void> {
  const { readEntityChanges, writeMigration } = await import('../migrator/new-migration.ts');
  const { AppError } = await import('../errors.ts');
  await withServices(context, async (services) => {
    // Commander lets no other scopes through.
    const line = scope.toUpperCase() as MigrationScope;
    const folder = Object.values(services.migrations).find((candidate) => candidate.scope === line);
    if (!folder) throw new Error(`There is no folder of ${line} migrations`);
    if (line === 'AUTH' && !blank) {
      throw new AppError('BAD_USER_INPUT', 'What auth has beyond its entities is written by hand: say --blank');
    }
    const { authDatabase, server, lockTimeoutMs } = await scratchOf(services);
    const tables = services.tables[line];
    const changes = blank
      ? undefined
      : await readEntityChanges({ authDatabase, server, lockTimeoutMs, folder, tables });
    if (changes?.up.length === 0) {
      throw new AppError(
        'CONFLICT',
        'The migrations make what the entities say, so there is nothing to write. For an empty file say --blank',
      );
    }
    const file = await writeMigration(folder, name, changes);
    context.stdout.write(`${path.relative(process.cwd(), file)}\n`);
    context.stderr.write(
      'Read it before it is applied: MikroORM cannot know whether a column was renamed, or is another one.\n',
    );
  });
}

/** Where scratch databases are made. */
async function scratchOf({ servers, config }: Services) {
  const { FIRST_SERVER } = await import('../catalog/database-server.entity.ts');
  const server = servers.get(FIRST_SERVER);
  if (!server) throw new Error('There is no server to check on');
  return { server, authDatabase: config.databases.auth, lockTimeoutMs: config.migrations.lockTimeoutMs };
}

async function system(context: CommandContext, { json }: { json?: true }): Promise<void> {
  const { recordedMigrations } = await import('../migrator/recorded-migrations.ts');
  // Opening the installation brings them forward.
  const versions = await withServices(context, async ({ catalog, constants, config: { databases } }) => {
    const recorded = await recordedMigrations(catalog, constants.lane);
    return (['auth', 'constants'] as const).map((scope) => {
      const applied = recorded[scope === 'auth' ? 'AUTH' : 'CONSTANTS'].flatMap((history) => history.applied);
      return { database: databases[scope], version: applied.at(-1)?.name ?? null, migrations: applied.length };
    });
  });
  if (json) return writeJson(context.stdout, versions);
  writeTable(
    context,
    context.stdout,
    [
      { title: 'DATABASE', value: ({ database }) => database },
      { title: 'VERSION', value: ({ version }) => version },
      { title: 'MIGRATIONS', value: ({ migrations }) => migrations },
    ],
    versions,
  );
}

async function accept(context: CommandContext, migration: string, { tenant, scope }: AcceptOptions): Promise<void> {
  const { acceptChangedFile } = await import('../migrator/accept-schema.ts');
  // Commander lets no other scopes through.
  const request = { migration, tenant, scope: scope.toUpperCase() as MigrationScope, acceptedBy: userInfo().username };
  const accepted = await withServices(context, (services) => acceptChangedFile(services, request));
  const failed = accepted.filter(({ error }) => error !== null);
  for (const { tenant, error } of failed) context.stderr.write(`${tenant?.slug}: ${error}\n`);
  const count = accepted.length - failed.length;
  const where = scope === 'tenant' ? (count === 1 ? '1 tenant' : `${count} tenants`) : `the ${scope} database`;
  if (count > 0) context.stdout.write(`The file of ${migration} is accepted as it is now in ${where}.\n`);
  if (failed.length > 0) throw new CommandExit(exitCode.failure);
}

async function check(context: CommandContext, { base, json }: CheckOptions): Promise<void> {
  const findings = await withServices(context, (services) => findProblems(services, base));
  const { stdout } = context;
  if (json) writeJson(stdout, findings);
  else {
    for (const { kind, message, sql = [] } of findings) {
      stdout.write(
        `${kind}: ${message}\n${sql.map((statement) => `  ${statement.replaceAll('\n', '\n  ')};\n`).join('')}`,
      );
    }
    if (findings.length === 0) stdout.write('The migrations are in order.\n');
  }
  if (findings.length > 0) throw new CommandExit(exitCode.failure);
}

async function findProblems(services: Services, base: string | undefined): Promise<readonly Finding[]> {
  const { checkMigrations } = await import('../migrator/check-migrations.ts');
  const { committedMigrations } = await import('../migrator/committed-migrations.ts');
  const { recordedMigrations } = await import('../migrator/recorded-migrations.ts');
  const { catalog, constants, migrations, tables } = services;
  const recorded = await recordedMigrations(catalog, constants.lane);
  const lines = Object.values(migrations).map(async (folder) => {
    const committed = base === undefined ? [] : [{ source: base, applied: await committedMigrations(folder, base) }];
    return { folder, tables: tables[folder.scope], recorded: [...recorded[folder.scope], ...committed] };
  });
  return checkMigrations({ ...(await scratchOf(services)), lines: await Promise.all(lines) });
}
