import type { Command } from 'commander';
import { audited } from './audited.ts';
import { withServices } from './open-app.ts';
import type { CommandContext } from './terminal.ts';

const slugArgument = ['<slug>', 'its slug or id'] as const;

/** `tenantry tenant suspend | activate`. */
export function addChangeCommands(tenant: Command, context: CommandContext): void {
  tenant
    .command('suspend')
    .description('Serve a tenant no more; migrations still go over it')
    .argument(...slugArgument)
    .action((slug: string) => setStatus(context, 'suspendTenant', slug));
  tenant
    .command('activate')
    .description('Serve a suspended tenant again')
    .argument(...slugArgument)
    .action((slug: string) => setStatus(context, 'activateTenant', slug));
}

async function setStatus(
  context: CommandContext,
  action: 'suspendTenant' | 'activateTenant',
  reference: string,
): Promise<void> {
  const { [action]: change } = await import('../provisioning/suspend-tenant.ts');
  const { slug, status } = await withServices(context, (services) =>
    audited(services, { action, args: { id: reference }, tenantOf: ({ id }) => id }, () =>
      change(services.catalog, reference),
    ),
  );
  context.stdout.write(`The tenant ${slug} is ${status}.\n`);
}
