import type { Command } from 'commander';
import type { CheckedTenant } from '../../../fleet/drift/check-drift.ts';
import type { Services } from '../../../installation/services.ts';
import { withServices } from '../../open-app.ts';
import { type CommandContext, CommandExit, exitCode, oneLine, writeJson } from '../../ui/terminal.ts';

interface DriftCommandOptions {
  readonly tenant?: readonly string[];
  readonly json?: true;
}

/** The result of the command. The fields are those of `--json`. */
interface DriftView {
  /** The number of tenants that were compared. */
  readonly compared: number;
  readonly drifted: readonly { readonly tenant: string; readonly sql: readonly string[] }[];
  readonly failed: readonly { readonly tenant: string; readonly error: string }[];
}

/** `tenantry drift`: compares the tables of tenants with the entities. */
export function addDriftCommand(program: Command, context: CommandContext): void {
  program
    .command('drift')
    .description("Compare tenants' tables with the entities; exits with 1 if any differs or cannot be compared")
    .option('--tenant <slug...>', 'only these tenants, by slug or id')
    .option('--json', 'print JSON')
    .action(async ({ tenant, json }: DriftCommandOptions) => {
      const view = await withServices(context, (services) => check(services, tenant));
      if (json) writeJson(context.stdout, view);
      else writeView(context, view);
      if (view.drifted.length + view.failed.length > 0) throw new CommandExit(exitCode.failure);
    });
}

async function check(services: Services, references: readonly string[] | undefined): Promise<DriftView> {
  const { checkDrift } = await import('../../../fleet/drift/check-drift.ts');
  const { FIRST_SERVER } = await import('../../../catalog/entities/database-server.entity.ts');
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const { catalog, servers, tables, migrations, config } = services;
  servers.get(FIRST_SERVER)?.requireAdmin();
  const ids: string[] = [];
  for (const reference of references ?? []) ids.push((await tenantByReference(catalog, reference)).id);
  const options = {
    catalog,
    servers,
    tables: tables.TENANT,
    migrations: migrations.tenant,
    concurrency: config.migrations.concurrency,
  };
  const notable: CheckedTenant[] = [];
  let compared = 0;
  for await (const checked of checkDrift(options, references && { ids })) {
    compared += 1;
    if (checked.error !== null || checked.statements.length > 0) notable.push(checked);
  }
  return {
    compared,
    drifted: notable.flatMap(({ slug, statements, error }) =>
      error === null ? [{ tenant: slug, sql: statements }] : [],
    ),
    failed: notable.flatMap(({ slug, error }) => (error === null ? [] : [{ tenant: slug, error }])),
  };
}

function writeView({ stdout, stderr }: CommandContext, { compared, drifted, failed }: DriftView): void {
  for (const { tenant, sql } of drifted) {
    stdout.write(`${tenant} differs from the entities. To make it match:\n`);
    for (const statement of sql) stdout.write(`  ${oneLine(statement)};\n`);
  }
  for (const { tenant, error } of failed) stdout.write(`${tenant} could not be compared: ${oneLine(error)}\n`);
  stderr.write(
    `${compared} compared, ${drifted.length} with drift, ${failed.length} failed. Tenants with pending or unknown migrations are not compared.\n`,
  );
}
