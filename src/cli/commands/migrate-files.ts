import { type Command, Option } from 'commander';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { Services } from '../../installation/services.ts';
import type { Finding } from '../../migrator/authoring/check.ts';
import type { MigrationWarning } from '../../migrator/lint/lint.ts';
import { anyCase } from '../choices.ts';
import { withServices } from '../open-app.ts';
import { operatorName } from '../operator.ts';
import { writeMigrationWarnings } from '../ui/migration-warnings.ts';
import { writeTable } from '../ui/table.ts';
import { type CommandContext, CommandExit, exitCode, writeJson } from '../ui/terminal.ts';
import { scratchOf } from './migrate-new.ts';
import { scopeNames, writeCommon } from './migrate-status.ts';

interface AcceptOptions {
  readonly tenant?: string;
  readonly scope: string;
}

interface CheckOptions {
  readonly base?: string;
  readonly strict?: true;
  readonly json?: true;
}

/** `tenantry migrate system | accept | check`: the system databases and the migration files. */
export function addFileCommands(migrate: Command, context: CommandContext): void {
  migrate
    .command('system')
    .description(
      'Migrate auth and constants, as every start of a server does, and show their versions, and which databases lack migrations of common',
    )
    .option('--json', 'print JSON')
    .action((options: { json?: true }) => system(context, options));
  migrate
    .command('accept')
    .description("Accept that a migration's file was changed deliberately, so that runs can continue")
    .argument('<name>', "the migration's name")
    .option('--tenant <slug>', 'only in this tenant, by slug or id')
    .addOption(
      anyCase(new Option('--scope <scope>', 'which kind of database it is for').choices(scopeNames).default('tenant')),
    )
    .action((name: string, options: AcceptOptions) => accept(context, name, options));
  migrate
    .command('check')
    .description(
      'For CI: find entities without a migration, changed or misordered files, and files without down(); warn of statements that are dangerous on tables with rows',
    )
    .option('--base <revision>', 'also compare with the files of this git revision, such as origin/main')
    .option('--strict', 'fail on warnings too')
    .option('--json', 'print JSON')
    .action((options: CheckOptions) => check(context, options));
}

async function system(context: CommandContext, { json }: { json?: true }): Promise<void> {
  const { recordedMigrations } = await import('../../fleet/applied-migrations.ts');
  const { readCommonStatus } = await import('../../fleet/common-plan.ts');
  // Opening the installation migrates them.
  const { versions, common } = await withServices(context, async ({ catalog, constants, migrations, config }) => {
    const recorded = await recordedMigrations(catalog, constants.pool);
    const files = await migrations.common.read();
    return {
      versions: (['auth', 'constants'] as const).map((scope) => {
        const applied = recorded[scope === 'auth' ? 'AUTH' : 'CONSTANTS'].flatMap((history) => history.applied);
        return { database: config.databases[scope], version: applied.at(-1)?.name ?? null, migrations: applied.length };
      }),
      common: await catalog.use((client) => readCommonStatus(client, files)),
    };
  });
  if (json) {
    const { newest: version, databases, behind } = common;
    return writeJson(context.stdout, [
      ...versions,
      ...(version ? [{ schema: 'common', version, databases, behind }] : []),
    ]);
  }
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
  writeCommon(context.stdout, common);
}

async function accept(context: CommandContext, migration: string, { tenant, scope }: AcceptOptions): Promise<void> {
  const { acceptChangedFile } = await import('../../fleet/accept-changed-file.ts');
  // The cast is safe: Commander has validated the scope.
  const request = { migration, tenant, scope: scope.toUpperCase() as MigrationScope, acceptedBy: operatorName() };
  const accepted = await withServices(context, (services) => acceptChangedFile(services, request));
  const failed = accepted.filter(({ error }) => error !== null);
  for (const { tenant, error } of failed) context.stderr.write(tenant ? `${tenant.slug}: ${error}\n` : `${error}\n`);
  const count = accepted.length - failed.length;
  const noun = scope === 'common' ? 'database' : 'tenant';
  const several = count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
  const where = scope === 'tenant' || scope === 'common' ? several : `the ${scope} database`;
  if (count > 0) context.stdout.write(`The current file of ${migration} was accepted in ${where}.\n`);
  if (failed.length > 0) throw new CommandExit(exitCode.failure);
}

async function check(context: CommandContext, { base, strict, json }: CheckOptions): Promise<void> {
  const { isOpen } = await import('../../migrator/lint/lint.ts');
  const { findings, warnings } = await withServices(context, (services) => findProblems(services, base));
  const { stdout } = context;
  const open = warnings.filter(isOpen).length;
  if (json) writeJson(stdout, [...findings, ...warnings.map((warning) => ({ kind: 'WARNING', ...warning }))]);
  else {
    writeMigrationWarnings(stdout, warnings);
    for (const { kind, message, sql = [] } of findings) {
      stdout.write(
        `${kind}: ${message}\n${sql.map((statement) => `  ${statement.replaceAll('\n', '\n  ')};\n`).join('')}`,
      );
    }
    if (findings.length === 0) {
      stdout.write(
        open === 0 ? 'The migrations are in order.\n' : `The migrations are in order, with ${open} warnings.\n`,
      );
    }
  }
  if (findings.length > 0 || (strict && open > 0)) throw new CommandExit(exitCode.failure);
}

async function findProblems(
  services: Services,
  base: string | undefined,
): Promise<{ readonly findings: readonly Finding[]; readonly warnings: readonly MigrationWarning[] }> {
  const { checkMigrations, lintNewMigrations } = await import('../../migrator/authoring/check.ts');
  const { committedMigrations } = await import('../../migrator/authoring/git-history.ts');
  const { recordedMigrations } = await import('../../fleet/applied-migrations.ts');
  const { catalog, constants, migrations, tables } = services;
  const recorded = await recordedMigrations(catalog, constants.pool);
  const opened = Object.values(migrations).map(async (folder) => {
    const committed = base === undefined ? [] : [{ source: base, applied: await committedMigrations(folder, base) }];
    return {
      folder,
      common: migrations.common,
      tables: tables[folder.scope],
      recorded: [...recorded[folder.scope], ...committed],
    };
  });
  const lines = await Promise.all(opened);
  return {
    findings: await checkMigrations({ ...(await scratchOf(services)), lines }),
    // Files that cannot be read are findings.
    warnings: await lintNewMigrations(lines).catch(() => []),
  };
}
