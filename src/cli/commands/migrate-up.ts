import { type Command, InvalidArgumentError, Option } from 'commander';
import { waveEnds } from '../../fleet/runs/waves.ts';
import type { Services } from '../../installation/services.ts';
import { messageOf } from '../../lib/errors.ts';
import { anyCase } from '../choices.ts';
import { withServices } from '../open-app.ts';
import { type CommandContext, CommandExit, exitCode } from '../ui/terminal.ts';

interface UpOptions {
  readonly tenant?: readonly string[];
  readonly to?: string;
  readonly dryRun?: true;
  readonly sql?: true;
  readonly waves?: readonly string[];
  readonly canary?: readonly string[];
  readonly order?: keyof typeof orders;
  readonly maxFailures?: number;
  readonly stopOnError?: true;
  readonly concurrency?: number;
  readonly verify?: true;
  readonly checkpoint?: 'transaction' | 'snapshot';
  readonly separateTransactions?: true;
  readonly detach?: true;
  readonly json?: true;
}

interface DownOptions extends Pick<UpOptions, 'tenant' | 'to' | 'dryRun' | 'json'> {
  readonly all?: true;
  readonly steps?: number;
}

const orders = { created: 'CREATED', size: 'SIZE' } as const;
const checkpoints = { transaction: 'TRANSACTION', snapshot: 'SNAPSHOT' } as const;

/** The options that have no effect with --sql. */
const runOptions = [
  'dryRun',
  'detach',
  'json',
  'waves',
  'maxFailures',
  'stopOnError',
  'canary',
  'order',
  'checkpoint',
  'separateTransactions',
];

const upExamples = `
Examples:
  tenantry migrate up
  tenantry migrate up --tenant acme beta --dry-run
  tenantry migrate up --waves 1,10%,100% --canary acme --max-failures 5
  tenantry migrate up --sql --tenant acme > acme.sql`;

/** `tenantry migrate up`: applies migrations to tenants. */
export function addUpCommand(migrate: Command, context: CommandContext): void {
  migrate
    .command('up')
    .description(
      'Apply migrations to all tenants, or to some; this process works together with running servers and workers',
    )
    .option('--tenant <slug...>', 'only these tenants, by slug or id')
    .option('--to <name>', 'the last migration to apply; by default the newest')
    .option('--dry-run', 'apply the migrations in transactions that are rolled back')
    .addOption(new Option('--sql', 'print a script for psql instead, without changing anything').conflicts(runOptions))
    .option(
      '--waves <sizes>',
      'sizes such as 1,10%,100%; each wave starts after the previous one has succeeded',
      parseWaves,
    )
    .option('--canary <slug...>', 'tenants that go first, by slug or id')
    .addOption(
      anyCase(
        new Option('--order <order>', 'created: the oldest tenants first; size: the smallest first').choices(
          Object.keys(orders),
        ),
      ),
    )
    .option('--max-failures <n>', 'start no further tenants after more failures than this', integer(0))
    .option('--stop-on-error', 'start no further tenants after the first failure')
    .option(
      '--concurrency <n>',
      'number of tenants to migrate concurrently; defaults to MIGRATION_CONCURRENCY',
      integer(1, 1000),
    )
    .option('--verify', 'check every tenant, including those that the catalog lists as up to date')
    .addOption(
      anyCase(
        new Option(
          '--checkpoint <kind>',
          'snapshot: copy each database first and keep the copy as a checkpoint; transaction: refuse migrations that cannot run in one; by default, choose for each tenant',
        ).choices(['transaction', 'snapshot']),
      ),
    )
    .addOption(
      new Option(
        '--separate-transactions',
        'commit each migration by itself, so that locks are held for less time; if one fails, down() reverts those before it',
      ).conflicts('checkpoint'),
    )
    .option('--detach', 'start the run, print its id, and leave it to servers and workers')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', upExamples)
    .action((options: UpOptions) => (options.sql ? printSql(context, options) : up(context, options)));
}

/** `tenantry migrate down`: reverts migrations. */
export function addDownCommand(migrate: Command, context: CommandContext): void {
  const command = migrate
    .command('down')
    .description('Revert migrations of tenants')
    .option('--tenant <slug...>', 'only these tenants, by slug or id')
    .addOption(new Option('--all', 'all tenants').conflicts('tenant'))
    .option('--steps <n>', 'how many migrations to revert, newest first', integer(1))
    .addOption(new Option('--to <name>', 'the last migration to keep').conflicts('steps'))
    .option('--dry-run', 'revert the migrations in transactions that are rolled back')
    .option('--json', 'print the summary as JSON');
  command.action(async (options: DownOptions) => {
    if (!options.tenant && !options.all) command.error('error: use --tenant <slug...> or --all');
    if (options.steps === undefined && options.to === undefined) command.error('error: use --steps <n> or --to <name>');
    await down(context, options);
  });
}

async function up(context: CommandContext, options: UpOptions): Promise<void> {
  const { carryOut } = await import('./follow-run.ts');
  await carryOut(context, options, async ({ runs }) => ({
    run: await runs.start({
      tenants: options.tenant,
      canaries: options.canary,
      order: options.order && orders[options.order],
      ...(options.to !== undefined && { to: options.to }),
      dryRun: options.dryRun ?? false,
      continueOnError: !options.stopOnError,
      concurrency: options.concurrency,
      ...(options.maxFailures !== undefined && { maxFailures: options.maxFailures }),
      ...(options.waves && { waves: options.waves }),
      ...(options.checkpoint && { checkpoint: checkpoints[options.checkpoint] }),
      ...(options.separateTransactions && { separateTransactions: true }),
      verify: options.verify ?? false,
    }),
  }));
}

async function down(context: CommandContext, { tenant, to, steps = 1, dryRun, json }: DownOptions): Promise<void> {
  const { carryOut } = await import('./follow-run.ts');
  await carryOut(context, { json }, async ({ runs }) => ({
    run: await runs.start({
      tenants: tenant,
      down: to === undefined ? { kind: 'steps', steps } : { kind: 'to', to },
      dryRun: dryRun ?? false,
      continueOnError: true,
      verify: false,
    }),
  }));
}

/** Prints only the script on standard output. Reports tenants that it cannot include on standard error. */
async function printSql(context: CommandContext, { tenant, to, verify }: UpOptions): Promise<void> {
  const { groupBySteps, sqlScript } = await import('../../fleet/psql-script.ts');
  const { installationRoles } = await import('../../routing/placement.ts');
  await withServices(context, async (services) => {
    const plan = await fleetPlan(services, { tenants: tenant, to, verify: verify ?? false });
    const groups = groupBySteps(plan.tenants);
    const opaque = ({ common, steps }: (typeof groups)[number]) =>
      [...common, ...steps].find(({ statements }) => statements === undefined);
    const files = await services.migrations.tenant.read();
    context.stdout.write(
      sqlScript(
        groups.filter((group) => !opaque(group)),
        files,
        installationRoles(services.config.databases.auth),
      ),
    );
    const missing = [
      ...plan.tenants.flatMap(({ tenant: { slug }, plan }) =>
        plan.kind === 'steps' ? [] : `${slug}: ${plan.message}`,
      ),
      ...groups.flatMap((group) => {
        const { tenants } = group;
        const name = opaque(group)?.name;
        return name ? `${tenants.map(({ slug }) => slug).join(', ')}: ${name} queries the database while it runs` : [];
      }),
    ];
    if (missing.length === 0) return;
    context.stderr.write(`These tenants are not in the script:\n${missing.map((line) => `  ${line}\n`).join('')}`);
    throw new CommandExit(exitCode.failure);
  });
}

/** Plans what a run would do. */
export async function fleetPlan(
  { catalog, tenants: connections, migrations, config }: Services,
  request: {
    readonly tenants?: readonly string[] | undefined;
    readonly to?: string | undefined;
    readonly verify: boolean;
  },
) {
  const { planFleet } = await import('../../fleet/plan.ts');
  const { concurrency } = config.migrations;
  const [files, common] = await Promise.all([migrations.tenant.read(), migrations.common.read()]);
  return planFleet({ catalog, connections, files, common, concurrency }, request);
}

/** Returns a parser for an integer option. */
export function integer(min: number, max = 1_000_000): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function parseWaves(text: string): readonly string[] {
  const sizes = text.split(',').map((size) => size.trim());
  try {
    waveEnds(sizes, 1);
    return sizes;
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}
