import path from 'node:path';
import { type Command, Option } from 'commander';
import type { Services } from '../../installation/services.ts';
import type { EmptyDatabaseOptions, MigrationLine } from '../../migrator/authoring/generate.ts';
import type { TableSnapshot } from '../../migrator/diff/snapshot.ts';
import { withServices } from '../open-app.ts';
import type { CommandContext } from '../ui/terminal.ts';
import { scopeNames } from './migrate-status.ts';

interface NewOptions {
  readonly scope: string;
  readonly blank?: true;
}

const newHelp = `
What the migrations so far make is in the file .snapshot.json beside them, so that no database is needed. Commit it with
the migration. Where it is missing, has conflicts of a merge, or is older than a migration, it is made anew by applying
the migrations to a scratch database.`;

/** `tenantry migrate new | snapshot`: what is written beside the code. */
export function addNewCommands(migrate: Command, context: CommandContext): void {
  migrate
    .command('new')
    .description('Write a migration from what entities say and migrations do not make yet')
    .argument('<name>', 'a few words, such as add_notes')
    .addOption(new Option('--scope <scope>', 'which kind of database it is for').choices(scopeNames).default('tenant'))
    .option('--blank', 'leave it empty')
    .addHelpText('after', newHelp)
    .action((name: string, options: NewOptions) => writeNew(context, name, options));
  migrate
    .command('snapshot')
    .description(
      'Make the snapshot anew that migrate new compares with: by applying the migrations to a scratch database',
    )
    .addOption(new Option('--scope <scope>', 'which kind of database it is for').choices(scopeNames).default('tenant'))
    .action((options: { scope: string }) => makeSnapshot(context, options));
}

async function writeNew(context: CommandContext, name: string, { scope, blank }: NewOptions): Promise<void> {
  const { stdout, stderr } = context;
  const { writeBlankMigration, writeMigration } = await import('../../migrator/authoring/generate.ts');
  const { snapshotPath } = await import('../../migrator/authoring/schema-snapshot.ts');
  const line = await lineOf(context, scope);
  if (blank) return void stdout.write(`${shown(await writeBlankMigration(line.folder, name))}\n`);
  const { file, warnings } = await writeMigration(line, name, (reason) => {
    stderr.write(
      `The snapshot ${shown(snapshotPath(line.folder))} ${reason}, so it is made anew with a scratch database.\n`,
    );
    return remake(context, line);
  });
  stdout.write(`${shown(file)}\n`);
  for (const warning of warnings) stderr.write(`TODO: ${warning}\n`);
}

async function makeSnapshot(context: CommandContext, { scope }: { readonly scope: string }): Promise<void> {
  const { snapshotPath } = await import('../../migrator/authoring/schema-snapshot.ts');
  const line = await lineOf(context, scope);
  await remake(context, line);
  context.stdout.write(`${shown(snapshotPath(line.folder))}\n`);
}

async function remake(context: CommandContext, line: MigrationLine): Promise<TableSnapshot> {
  const { remakeSnapshot } = await import('../../migrator/authoring/generate.ts');
  return withServices(context, async (services) => remakeSnapshot(line, await scratchOf(services)));
}

/** Needs no installation, and so no database. */
async function lineOf({ env, loadProduct }: CommandContext, scope: string): Promise<MigrationLine> {
  const { loadConfig } = await import('../../config/config.ts');
  const { createMigrationLines } = await import('../../installation/migration-lines.ts');
  const lines = createMigrationLines(loadConfig(env).migrations.tenantDir, await loadProduct());
  return scope === 'auth' ? lines.auth : scope === 'constants' ? lines.constants : lines.tenant;
}

function shown(file: string): string {
  return path.relative(process.cwd(), file);
}

/** Where scratch databases are made. */
export async function scratchOf({ servers, config }: Services): Promise<EmptyDatabaseOptions> {
  const { FIRST_SERVER } = await import('../../catalog/entities/database-server.entity.ts');
  const server = servers.get(FIRST_SERVER);
  if (!server) throw new Error('There is no server to check on');
  return { server, authDatabase: config.databases.auth, lockTimeoutMs: config.migrations.lockTimeoutMs };
}
