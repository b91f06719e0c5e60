import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Isolation, Tenant, TenantStatus } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { withServices } from '../../open-app.ts';
import { type Column, writeTable } from '../../ui/table.ts';
import { type CommandContext, oneLine, writeJson } from '../../ui/terminal.ts';
import { addChangeCommands } from './change.ts';
import { addDeleteCommand } from './delete.ts';
import { addResolveCommand } from './resolve.ts';

interface CreateOptions {
  readonly name?: string;
  readonly isolation?: 'database' | 'schema';
  readonly host?: string;
  readonly server?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

interface ListOptions {
  readonly behind?: true;
  readonly status?: string;
  readonly json?: true;
}

const statuses = ['provisioning', 'active', 'suspended', 'maintenance', 'needs_attention', 'deleting'];

const jsonOption = ['--json', 'print JSON'] as const;

/** `tenantry tenant create | list | show | update | suspend | activate | resolve | delete`. */
export function addTenantCommand(program: Command, context: CommandContext): void {
  const tenant = program.command('tenant').description('Create, list, change, suspend, resolve and delete tenants');
  tenant
    .command('create')
    .description('Create a tenant with its database or schema and its tables')
    .argument('<slug>', '3 to 63 characters of a to z, 0 to 9 and -')
    .option('--name <name>', 'its display name; defaults to its slug')
    .addOption(
      new Option('--isolation <kind>', 'its isolation; defaults to DEFAULT_ISOLATION').choices(['database', 'schema']),
    )
    .option('--host <host>', 'the host name that identifies it in requests')
    .option('--server <name>', 'the PostgreSQL server to put it on')
    .option('--dry-run', 'show what would be created, without changing anything')
    .option(...jsonOption)
    .action((slug: string, options: CreateOptions) => create(context, slug, options));
  tenant
    .command('list')
    .description('List tenants, oldest first')
    .option('--behind', 'only tenants that lack a migration')
    .option('--status <status>', `only tenants with this status: ${statuses.join(', ')}`, parseStatus)
    .option(...jsonOption)
    .action((options: ListOptions) => list(context, options));
  tenant
    .command('show')
    .description('Show a tenant')
    .argument('<slug>', 'its slug or id')
    .option(...jsonOption)
    .action((slug: string, options: { json?: true }) => show(context, slug, options));
  addChangeCommands(tenant, context);
  addResolveCommand(tenant, context);
  addDeleteCommand(tenant, context);
}

async function create(context: CommandContext, slug: string, options: CreateOptions): Promise<void> {
  const { checkTenant, createTenant } = await import('../../../tenants/create.ts');
  const input = {
    slug,
    name: options.name ?? slug,
    // The cast is safe: Commander has validated the choice.
    isolation: options.isolation?.toUpperCase() as Isolation | undefined,
    host: options.host,
    server: options.server,
  };
  await withServices(context, async (services) => {
    const { stdout } = context;
    if (options.dryRun) {
      const checked = await checkTenant(services.provisioning, input);
      if (options.json) return writeJson(stdout, checked);
      const kind = checked.isolation === 'DATABASE' ? 'a database' : 'a schema';
      return void stdout.write(
        `Would create the tenant ${checked.slug} with ${kind} on the server ${checked.server}\n`,
      );
    }
    const tenant = await createTenant(services.provisioning, input);
    const [view] = await viewTenants(services, [tenant]);
    if (options.json) return writeJson(stdout, view);
    const server = hasServers(services) ? `server ${tenant.server}, ` : '';
    stdout.write(`Created the tenant ${slug}: ${server}database ${tenant.database}, schema ${tenant.schema}\n`);
  });
}

async function list(context: CommandContext, { behind, status, json }: ListOptions): Promise<void> {
  const { Tenant } = await import('../../../catalog/entities/tenant.entity.ts');
  const { tenantWhere } = await import('../../../catalog/find-tenants.ts');
  await withServices(context, async (services) => {
    // The cast is safe: parseStatus has validated the status.
    const where = tenantWhere(
      { status: status as TenantStatus | undefined, ...(behind && { behind }) },
      await currentStates(services),
    );
    const tenants = await services.catalog.fork().find(Tenant, where, { orderBy: { createdAt: 'asc', id: 'asc' } });
    const views = await viewTenants(services, tenants);
    if (json) return writeJson(context.stdout, views);
    if (views.length === 0) return void context.stderr.write('There are no such tenants.\n');
    writeTable(context, context.stdout, hasServers(services) ? [...columns, serverColumn] : columns, views);
  });
}

async function show(context: CommandContext, reference: string, { json }: { json?: true }): Promise<void> {
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  await withServices(context, async (services) => {
    const tenant = await tenantByReference(services.catalog, reference);
    const [view] = await viewTenants(services, [tenant]);
    if (json) return writeJson(context.stdout, view);
    for (const [name, value] of Object.entries(view ?? {})) {
      context.stdout.write(`${`${name}:`.padEnd(11)} ${value === null ? '—' : oneLine(String(value))}\n`);
    }
  });
}

/** A tenant for the command line. The fields are those of `--json`. */
interface TenantView {
  readonly slug: string;
  readonly name: string;
  readonly status: string;
  readonly isolation: string;
  /** The last applied migration, according to the catalog. */
  readonly version: string | null;
  /** How many migrations it lacks. */
  readonly behind: number;
  readonly host: string | null;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  readonly createdAt: string;
  readonly id: string;
}

const columns: readonly Column<TenantView>[] = [
  { title: 'SLUG', value: ({ slug }) => slug },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'ISOLATION', value: ({ isolation }) => isolation },
  { title: 'VERSION', value: ({ version }) => version },
  { title: 'BEHIND', value: ({ behind }) => behind },
  { title: 'CREATED', value: ({ createdAt }) => createdAt.slice(0, 10) },
];

const serverColumn: Column<TenantView> = { title: 'SERVER', value: ({ server }) => server };

/** Whether there are several servers, so that a tenant's server is worth showing. */
function hasServers({ servers }: Services): boolean {
  return servers.known().length > 1;
}

async function viewTenants(services: Services, tenants: readonly Tenant[]): Promise<readonly TenantView[]> {
  const { behindByState, readStates } = await import('../../../fleet/tenant-states.ts');
  const files = await services.migrations.tenant.read();
  const behind = await behindByState(services.catalog, files);
  const states = new Map((await services.catalog.use(readStates)).map(({ id, version }) => [id, version]));
  return tenants.map((tenant) => {
    const state = tenant.migrationState?.id ?? '';
    return {
      slug: tenant.slug,
      name: tenant.name,
      status: tenant.status,
      isolation: tenant.isolation,
      version: states.get(state) ?? null,
      behind: behind.get(state) ?? files.length,
      host: tenant.host ?? null,
      server: tenant.server,
      database: tenant.database,
      schema: tenant.schema,
      createdAt: tenant.createdAt.toISOString(),
      id: tenant.id,
    };
  });
}

async function currentStates({ catalog, migrations }: Services): Promise<readonly string[]> {
  const { currentStateIds } = await import('../../../fleet/tenant-states.ts');
  const files = await migrations.tenant.read();
  return currentStateIds(catalog, files);
}

function parseStatus(text: string): string {
  if (statuses.includes(text.toLowerCase())) return text.toUpperCase();
  throw new InvalidArgumentError(`Allowed choices are ${statuses.join(', ')}.`);
}
