import { type Command, Option } from 'commander';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import type { CommonStatus } from '../../fleet/common-plan.ts';
import type { ShownRecord } from '../../fleet/history.ts';
import { anyCase } from '../choices.ts';
import { withServices } from '../open-app.ts';
import { impactView, writeImpacts } from '../ui/migration-impact.ts';
import { writeMigrationWarnings } from '../ui/migration-warnings.ts';
import { type Column, writeTable } from '../ui/table.ts';
import { type CommandContext, CommandExit, exitCode, oneLine, type Screen, writeJson } from '../ui/terminal.ts';
import { fleetPlan, integer } from './migrate-up.ts';

interface PlanOptions {
  readonly tenant?: readonly string[];
  readonly to?: string;
  readonly impact?: true;
  readonly json?: true;
}

interface HistoryOptions {
  readonly tenant?: string;
  readonly scope?: string;
  readonly limit: number;
  readonly json?: true;
}

const jsonOption = ['--json', 'print JSON'] as const;

/** The scopes of migrations, as spelled on the command line. */
export const scopeNames = ['tenant', 'common', 'auth', 'constants'];

/** `tenantry migrate status | plan | history | runs`: read-only commands. */
export function addStatusCommands(migrate: Command, context: CommandContext): void {
  migrate
    .command('status')
    .description('Show how many tenants are at each version; exits with 1 if any is behind')
    .option(...jsonOption)
    .action((options: { json?: true }) => status(context, options));
  migrate
    .command('plan')
    .description('Show what a run would do, without changing anything; exits with 1 if it would refuse a tenant')
    .option('--tenant <slug...>', 'only for these tenants, by slug or id')
    .option('--to <name>', 'the last migration to apply; by default the newest')
    .option('--impact', 'look into the tenants: how many rows dangerous statements meet, and how long they lock tables')
    .option(...jsonOption)
    .action((options: PlanOptions) => plan(context, options));
  migrate
    .command('history')
    .description('Show what was applied, newest first: by runs, or to one database')
    .option('--tenant <slug>', "this tenant's own history")
    .addOption(anyCase(new Option('--scope <scope>', 'only the history of this scope').choices(scopeNames)))
    .option('--limit <n>', 'how many', integer(1), 50)
    .option(...jsonOption)
    .action((options: HistoryOptions) => history(context, options));
  migrate
    .command('runs')
    .description('List runs, newest first')
    .option('--limit <n>', 'how many', integer(1), 20)
    .option(...jsonOption)
    .action((options: { limit: number; json?: true }) => runs(context, options));
}

async function status(context: CommandContext, { json }: { json?: true }): Promise<void> {
  const { readFleetStatus } = await import('../../fleet/status.ts');
  const { stdout } = context;
  const fleet = await withServices(context, async ({ catalog, migrations }) =>
    readFleetStatus(catalog, await migrations.tenant.read(), await migrations.common.read()),
  );
  const { common } = fleet;
  if (json) writeJson(stdout, fleet);
  else {
    const columns: Column<(typeof fleet.versions)[number]>[] = [
      { title: 'VERSION', value: ({ version }) => version },
      { title: 'TENANTS', value: ({ tenants }) => tenants },
      { title: 'BEHIND BY', value: ({ behind }) => behind },
    ];
    if (fleet.versions.some(({ unknown }) => unknown.length > 0)) {
      columns.push({ title: 'UNKNOWN HERE', value: ({ unknown }) => unknown.join(', ') || null });
    }
    if (fleet.tenants > 0) writeTable(context, stdout, columns, fleet.versions);
    if (columns.length > 3) {
      stdout.write(
        'Some tenants have migrations whose files are missing here, so runs refuse them with MIGRATION_UNKNOWN. Is this an older version of the code?\n',
      );
    }
    stdout.write(
      `${fleet.behind} of ${fleet.tenants} tenants are behind. The newest migration is ${fleet.newest ?? 'none'}${fleet.newestKind === 'BACKFILL' ? ' (BACKFILL)' : ''}.\n`,
    );
    writeCommon(stdout, common);
  }
  if (fleet.behind > 0 || common.behind > 0) throw new CommandExit(exitCode.failure);
}

/** Says which databases lack migrations of `common`, if there are such migrations. */
export function writeCommon(stdout: CommandContext['stdout'], { newest, databases, behind }: CommonStatus): void {
  if (newest === null) return;
  stdout.write(`${behind} of ${databases} databases lack migrations of common. The newest is ${newest}.\n`);
}

async function plan(context: CommandContext, { tenant, to, impact, json }: PlanOptions): Promise<void> {
  const { planRefusal, sqlOf, stepsOf } = await import('../../fleet/plan.ts');
  const { planWarnings } = await import('../../fleet/plan-warnings.ts');
  const { groupBySteps } = await import('../../fleet/psql-script.ts');
  const { isBackfill } = await import('../../migrator/files/migration-file.ts');
  const { found, impacts } = await withServices(context, async (services) => {
    const planned = await fleetPlan(services, { tenants: tenant, to, verify: false });
    return { found: planned, impacts: impact && (await services.impacts.measure(planned)) };
  });
  const { tenants, totalCount, upToDateCount, migrations } = found;
  const refused = tenants.filter(({ plan }) => plan.kind !== 'steps');
  const dangers = planWarnings(found);
  const { stdout } = context;
  if (json) {
    const views = tenants.map(({ tenant, plan, common }) => ({
      tenant: tenant.slug,
      pending: stepsOf({ tenant, plan, common }).map(({ name }) => name),
      sql: sqlOf(stepsOf({ tenant, plan, common })),
      warnings: plan.kind === 'steps' ? plan.warnings : [],
      refusal: planRefusal({ plan }),
    }));
    const names = migrations.map(({ name }) => name);
    const backfills = migrations.filter(isBackfill).map(({ name }) => name);
    writeJson(stdout, {
      totalCount,
      upToDateCount,
      migrations: names,
      backfills,
      warnings: dangers,
      ...(impacts && { impact: impacts.map(impactView) }),
      tenants: views,
    });
  } else {
    stdout.write(`${upToDateCount} of ${totalCount} tenants are up to date.\n`);
    for (const { common, steps, tenants } of groupBySteps(found.tenants)) {
      stdout.write(`\nTo be applied to ${tenants.length}: ${tenants.map(({ slug }) => slug).join(', ')}\n`);
      for (const { name } of common) stdout.write(`  ${name} (common, once for each database)\n`);
      for (const { name, backfill } of steps) stdout.write(`  ${name}${backfill ? ' (BACKFILL)' : ''}\n`);
    }
    if (dangers.length > 0) stdout.write('\n');
    writeMigrationWarnings(stdout, dangers);
    writeImpacts(context, impacts ?? []);
    writeWarnings(
      stdout,
      'Warnings',
      tenants.flatMap(({ tenant, plan }) =>
        plan.kind === 'steps' ? plan.warnings.map((text) => `${tenant.slug}: ${text}`) : [],
      ),
    );
    writeWarnings(
      stdout,
      'Refused',
      refused.map((found) => `${found.tenant.slug}: ${planRefusal(found)}`),
    );
  }
  if (refused.length > 0) throw new CommandExit(exitCode.failure);
}

function writeWarnings(screen: Screen, title: string, warnings: readonly string[]): void {
  if (warnings.length > 0) screen.write(`\n${title}:\n${warnings.map((text) => `  ${oneLine(text)}\n`).join('')}`);
}

const historyColumns: readonly Column<ShownRecord>[] = [
  { title: 'WHEN', value: ({ appliedAt }) => appliedAt.toISOString() },
  { title: 'TENANT', value: ({ tenant }) => tenant?.slug },
  { title: 'SCOPE', value: ({ scope }) => scope },
  { title: 'MIGRATION', value: ({ name }) => name },
  { title: 'STATUS', value: ({ status, acceptedBy }) => (acceptedBy ? `ACCEPTED by ${acceptedBy}` : status) },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'MS', value: ({ durationMs }) => Math.round(durationMs) },
  { title: 'CHECKPOINT', value: ({ checkpoint }) => checkpoint },
  { title: 'ERROR', value: ({ error }) => error },
];

async function history(context: CommandContext, { tenant, scope, limit, json }: HistoryOptions): Promise<void> {
  const { readMigrationHistory } = await import('../../fleet/history.ts');
  // The cast is safe: Commander has validated the scope.
  const where = { tenant, scope: scope?.toUpperCase() as MigrationScope | undefined };
  const records = await withServices(context, async (services) => {
    const found: ShownRecord[] = [];
    let after: string | null = null;
    do {
      const first = Math.min(100, limit - found.length);
      const { edges, pageInfo } = await readMigrationHistory(services, { ...where, first, after });
      found.push(...edges.map(({ node }) => node));
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null && found.length < limit);
    return found;
  });
  if (json)
    writeJson(
      context.stdout,
      records.map((record) => ({ ...record, tenant: record.tenant?.slug ?? null })),
    );
  else if (records.length === 0) context.stderr.write('Nothing has been applied.\n');
  else writeTable(context, context.stdout, historyColumns, records);
}

const runColumns: readonly Column<MigrationRun>[] = [
  { title: 'RUN', value: ({ id }) => id },
  { title: 'KIND', value: ({ kind, options }) => `${kind}${options.dryRun ? ' (dry)' : ''}` },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'CREATED', value: ({ createdAt }) => createdAt.toISOString().slice(0, 19) },
  { title: 'TOTAL', value: ({ total }) => total },
  { title: 'OK', value: ({ succeeded }) => succeeded },
  { title: 'FAILED', value: ({ failed }) => failed },
  { title: 'SKIPPED', value: ({ skipped }) => skipped },
  { title: 'NOT STARTED', value: ({ cancelled }) => cancelled },
];

async function runs(context: CommandContext, { limit, json }: { limit: number; json?: true }): Promise<void> {
  const { MigrationRun } = await import('../../catalog/entities/migration-run.entity.ts');
  const { runView } = await import('../ui/run-summary.ts');
  const found = await withServices(context, ({ catalog }) =>
    catalog.fork().find(MigrationRun, {}, { orderBy: { createdAt: 'desc', id: 'desc' }, limit }),
  );
  if (json) writeJson(context.stdout, found.map(runView));
  else if (found.length === 0) context.stderr.write('There are no runs.\n');
  else writeTable(context, context.stdout, runColumns, found);
}
