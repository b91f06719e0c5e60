import type { Command } from 'commander';
import { withServices } from '../../open-app.ts';
import { type CommandContext, oneLine } from '../../ui/terminal.ts';

const slugArgument = ['<slug>', 'its slug or id'] as const;

interface UpdateOptions {
  readonly name?: string;
  /** False to remove the tenant's host. */
  readonly host?: string | false;
}

/** `tenantry tenant update | suspend | activate`. */
export function addChangeCommands(tenant: Command, context: CommandContext): void {
  const update = tenant
    .command('update')
    .description('Change the name or the host of a tenant')
    .argument(...slugArgument)
    .option('--name <name>', 'its display name')
    .option('--host <host>', 'the host name that identifies it in requests')
    .option('--no-host', 'remove its host name')
    .action((slug: string, options: UpdateOptions) => {
      if (Object.keys(options).length === 0) update.error('error: use --name, --host or --no-host');
      return changeNames(context, slug, options);
    });
  tenant
    .command('suspend')
    .description('Stop serving a tenant; migrations still apply to it')
    .argument(...slugArgument)
    .action((slug: string) => setStatus(context, 'suspendTenant', slug));
  tenant
    .command('activate')
    .description('Resume serving a suspended tenant')
    .argument(...slugArgument)
    .action((slug: string) => setStatus(context, 'activateTenant', slug));
}

async function changeNames(context: CommandContext, reference: string, { name, host }: UpdateOptions): Promise<void> {
  const { updateTenant } = await import('../../../tenants/update.ts');
  const changes = { name, host: host === false ? null : host };
  const tenant = await withServices(context, ({ catalog }) => updateTenant(catalog, reference, changes));
  const suffix = tenant.host ? `, at ${tenant.host}` : '';
  context.stdout.write(`The tenant ${tenant.slug} is called ${oneLine(tenant.name)}${suffix}.\n`);
}

async function setStatus(
  context: CommandContext,
  action: 'suspendTenant' | 'activateTenant',
  reference: string,
): Promise<void> {
  const { [action]: change } = await import('../../../tenants/suspend.ts');
  const { slug, status } = await withServices(context, ({ provisioning }) => change(provisioning, reference));
  context.stdout.write(`The tenant ${slug} is ${status}.\n`);
}
