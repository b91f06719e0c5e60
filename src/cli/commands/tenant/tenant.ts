import { type Command, InvalidArgumentError } from 'commander';
import type { TenantStatus } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { withServices } from '../../open-app.ts';
import { type Column, writeTable } from '../../ui/table.ts';
import { type CommandContext, writeJson } from '../../ui/terminal.ts';
import { addChangeCommands } from './change.ts';
import { addCreateCommand } from './create.ts';
import { addDeleteCommands } from './delete.ts';
import { addDropOldCommand } from './drop-old.ts';
import { addExportCommand } from './export.ts';
import { addImportCommand } from './import.ts';
import { addResolveCommand } from './resolve.ts';
import { showTenant } from './show.ts';
import { addTransferCommands } from './transfer.ts';
import { addTransfersCommand } from './transfers.ts';
import { hasServers, type TenantView, viewTenants } from './view.ts';

interface ListOptions {
  readonly behind?: true;
  readonly status?: string;
  readonly json?: true;
}

const statuses = ['provisioning', 'active', 'suspended', 'maintenance', 'needs_attention', 'deleted', 'deleting'];

const jsonOption = ['--json', 'print JSON'] as const;

/** `tenantry tenant create | list | show | update | suspend | activate | resolve | delete | undelete | drop-old | export | import`, and those of transfers. */
export function addTenantCommand(program: Command, context: CommandContext): void {
  const tenant = program
    .command('tenant')
    .description('Create, list, change, suspend, resolve, move, clone, delete, undelete, export and import tenants');
  addCreateCommand(tenant, context);
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
    .action((slug: string, options: { json?: true }) => showTenant(context, slug, options));
  addChangeCommands(tenant, context);
  addResolveCommand(tenant, context);
  addDeleteCommands(tenant, context);
  addTransferCommands(tenant, context);
  addDropOldCommand(tenant, context);
  addTransfersCommand(tenant, context);
  addExportCommand(tenant, context);
  addImportCommand(tenant, context);
}

async function list(context: CommandContext, { behind, status, json }: ListOptions): Promise<void> {
  const { Tenant } = await import('../../../catalog/entities/tenant.entity.ts');
  const { tenantWhere } = await import('../../../catalog/find-tenants.ts');
  await withServices(context, async (services) => {
    // The cast is safe: parseStatus has validated the status.
    const where = tenantWhere(
      { status: status as TenantStatus | undefined, ...(behind && { behind }) },
      await readStates(services),
    );
    const tenants = await services.catalog.fork().find(Tenant, where, { orderBy: { createdAt: 'asc', id: 'asc' } });
    const views = await viewTenants(services, tenants);
    if (json) return writeJson(context.stdout, views);
    if (views.length === 0) return void context.stderr.write('There are no such tenants.\n');
    writeTable(context, context.stdout, hasServers(services) ? [...columns, serverColumn] : columns, views);
  });
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

async function readStates({ catalog, migrations }: Services) {
  const { statesByProgress } = await import('../../../fleet/tenant-states.ts');
  return statesByProgress(catalog, await migrations.tenant.read());
}

function parseStatus(text: string): string {
  if (statuses.includes(text.toLowerCase())) return text.toUpperCase();
  throw new InvalidArgumentError(`Allowed choices are ${statuses.join(', ')}.`);
}
