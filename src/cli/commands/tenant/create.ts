import { type Command, Option } from 'commander';
import type { Isolation } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { messageOf } from '../../../lib/errors.ts';
import type { CheckedTenant } from '../../../tenants/check.ts';
import { anyCase } from '../../choices.ts';
import { withServices } from '../../open-app.ts';
import { type CommandContext, CommandExit, exitCode, writeJson } from '../../ui/terminal.ts';
import type { NamedInput } from './tenants-file.ts';
import { hasServers, viewTenants } from './view.ts';

interface CreateOptions {
  readonly file?: string;
  readonly name?: string;
  readonly isolation?: 'database' | 'schema';
  readonly host?: string;
  readonly server?: string;
  readonly skipExisting?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** How many tenants are created at once. */
const CONCURRENCY = 4;

/** `tenantry tenant create`. */
export function addCreateCommand(tenant: Command, context: CommandContext): void {
  const command = tenant
    .command('create')
    .description('Create tenants, each with its database or schema and its tables')
    .argument('[slugs...]', '3 to 63 characters of a to z, 0 to 9 and -')
    .option(
      '--file <csv>',
      'a file with the columns slug and, if needed, name, isolation, host and server; - is standard input',
    )
    .option('--name <name>', 'its display name; defaults to its slug')
    .addOption(
      anyCase(
        new Option('--isolation <kind>', 'their isolation; defaults to DEFAULT_ISOLATION').choices([
          'database',
          'schema',
        ]),
      ),
    )
    .option('--host <host>', 'the host name that identifies it in requests')
    .option('--server <name>', 'the PostgreSQL server to put them on')
    .option('--skip-existing', 'leave out tenants that exist already, such as when the command is repeated')
    .option('--dry-run', 'show what would be created, without changing anything')
    .option('--json', 'print JSON')
    .action((slugs: readonly string[], options: CreateOptions) => {
      const { file, name, host } = options;
      if (slugs.length === 0 && file === undefined) command.error('error: name a slug, or a file with --file');
      if (slugs.length > 0 && file !== undefined) command.error('error: name slugs or a file, not both');
      if (slugs.length !== 1 && (name ?? host) !== undefined) {
        command.error('error: --name and --host are for one tenant; give those of several in a file');
      }
      return createAll(context, slugs, options);
    });
}

async function createAll(context: CommandContext, slugs: readonly string[], options: CreateOptions): Promise<void> {
  const { readTenantsFile } = await import('./tenants-file.ts');
  // The cast is safe: Commander has validated the choice.
  const isolation = options.isolation?.toUpperCase() as Isolation | undefined;
  const common = { isolation, server: options.server };
  const named =
    options.file === undefined
      ? slugs.map((slug) => ({ at: slug, input: { ...common, slug, name: options.name ?? slug, host: options.host } }))
      : await readTenantsFile(options.file, context.stdin, common);
  if (named.length === 0) context.stderr.write('The file names no tenants, so none is created.\n');
  await withServices(context, async (services) => {
    const fresh = options.skipExisting ? await withoutExisting(context, services, named) : named;
    const checked = await checkAll(services, fresh);
    if (options.dryRun) return writePlan(context, checked, options);
    await create(context, services, fresh, options);
  });
}

async function withoutExisting(
  { stderr }: CommandContext,
  { catalog }: Services,
  named: readonly NamedInput[],
): Promise<readonly NamedInput[]> {
  const { Tenant } = await import('../../../catalog/entities/tenant.entity.ts');
  const slugs = named.map(({ input }) => input.slug);
  const found = await catalog.fork().find(Tenant, { slug: { $in: slugs } }, { fields: ['slug'] });
  const existing = new Set(found.map(({ slug }) => slug));
  if (existing.size > 0) stderr.write(`Left out, because they exist: ${[...existing].join(', ')}\n`);
  return named.filter(({ input }) => !existing.has(input.slug));
}

/**
 * Checks all tenants before the first one is created.
 * @throws {Error} naming each problem
 */
async function checkAll({ provisioning }: Services, named: readonly NamedInput[]): Promise<readonly CheckedTenant[]> {
  const { checkTenants } = await import('../../../tenants/check.ts');
  const { AppError } = await import('../../../lib/errors.ts');
  const found = await checkTenants(
    provisioning,
    named.map(({ input }) => input),
  );
  const problems: string[] = [];
  const checked: CheckedTenant[] = [];
  const seen = new Map<string, string>();
  for (const [index, { at }] of named.entries()) {
    const tenant = found[index];
    if (tenant instanceof AppError) {
      if (named.length === 1) throw tenant;
      problems.push(`${at}: ${tenant.message}`);
    } else if (tenant) {
      for (const taken of [`slug ${tenant.slug}`, ...(tenant.host === null ? [] : [`host ${tenant.host}`])]) {
        const before = seen.get(taken);
        if (before !== undefined) problems.push(`${at}: the ${taken} is also that of ${before}`);
        seen.set(taken, at);
      }
      checked.push(tenant);
    }
  }
  if (problems.length === 0) return checked;
  throw new Error(`No tenant was created:\n${problems.map((each) => `  ${each}`).join('\n')}`);
}

function writePlan({ stdout }: CommandContext, checked: readonly CheckedTenant[], { file, json }: CreateOptions): void {
  if (json) {
    writeJson(stdout, isSingle(checked, file) ? checked[0] : checked);
    return;
  }
  for (const { slug, isolation, server } of checked) {
    const kind = isolation === 'DATABASE' ? 'a database' : 'a schema';
    stdout.write(`Would create the tenant ${slug} with ${kind} on the server ${server}\n`);
  }
}

async function create(
  { stdout, stderr }: CommandContext,
  services: Services,
  named: readonly NamedInput[],
  { file, json }: CreateOptions,
): Promise<void> {
  const { default: pLimit } = await import('p-limit');
  const { createTenant } = await import('../../../tenants/create.ts');
  const created = await pLimit(CONCURRENCY).map(named, async ({ at, input }) => {
    try {
      const tenant = await createTenant(services.provisioning, input);
      const server = hasServers(services) ? `server ${tenant.server}, ` : '';
      if (!json) {
        stdout.write(
          `Created the tenant ${tenant.slug}: ${server}database ${tenant.database}, schema ${tenant.schema}\n`,
        );
      }
      return tenant;
    } catch (error) {
      if (named.length === 1) throw error;
      stderr.write(`${at}: ${messageOf(error)}\n`);
      return undefined;
    }
  });
  const tenants = created.flatMap((tenant) => tenant ?? []);
  if (json) {
    const views = await viewTenants(services, tenants);
    writeJson(stdout, isSingle(named, file) ? views[0] : views);
  }
  const missing = named.length - tenants.length;
  if (missing === 0) return;
  stderr.write(
    `${missing} of ${named.length} tenants could not be created. To try those again, repeat the command with --skip-existing.\n`,
  );
  throw new CommandExit(exitCode.failure);
}

/** A single slug on the command line has a result of its own, and a file a list. */
function isSingle(all: readonly unknown[], file: string | undefined): boolean {
  return file === undefined && all.length === 1;
}
