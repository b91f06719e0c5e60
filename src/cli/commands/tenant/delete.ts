import type { Command } from 'commander';
import { withServices } from '../../open-app.ts';
import { type CommandContext, oneLine } from '../../ui/terminal.ts';

/** `tenantry tenant delete`. */
export function addDeleteCommand(tenant: Command, context: CommandContext): void {
  const command = tenant
    .command('delete')
    .description('Permanently delete a tenant with all its data and checkpoints')
    .argument('<slug>', 'its slug or id')
    .option('--yes <slug>', 'its slug again, to confirm; by default it is asked for')
    .action(async (slug: string, { yes }: { yes?: string }) => {
      if (yes === undefined && !context.stdin.isTTY) {
        command.error('error: there is no terminal to ask for confirmation; repeat the slug with --yes <slug>');
      }
      await remove(context, slug, yes);
    });
}

async function remove(context: CommandContext, reference: string, yes: string | undefined): Promise<void> {
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const { deleteTenant } = await import('../../../tenants/delete.ts');
  const { slug } = await withServices(context, async (services) => {
    const typed = yes ?? (await ask(context, await tenantByReference(services.catalog, reference)));
    return deleteTenant(services.provisioning, reference, typed);
  });
  context.stdout.write(`The tenant ${slug} was deleted.\n`);
}

async function ask(context: CommandContext, { slug, name }: { slug: string; name: string }): Promise<string> {
  const { withPrompt } = await import('../../ui/prompt.ts');
  context.stderr.write(
    `All data and checkpoints of the tenant ${slug} (${oneLine(name)}) will be permanently deleted.\n`,
  );
  return withPrompt(context, false, (prompt) => prompt('Type its slug to delete it: '));
}
