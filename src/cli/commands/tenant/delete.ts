import type { Command } from 'commander';
import { openApp, withServices } from '../../open-app.ts';
import { type CommandContext, oneLine } from '../../ui/terminal.ts';

interface DeleteOptions {
  readonly yes?: string;
  readonly purge?: boolean;
}

/** `tenantry tenant delete | undelete`. */
export function addDeleteCommands(tenant: Command, context: CommandContext): void {
  const command = tenant
    .command('delete')
    .description('Stop serving a tenant, and remove it for good after TENANT_RETENTION_DAYS')
    .argument('<slug>', 'its slug or id')
    .option('--purge', 'remove it with all its data and checkpoints at once; also one that was deleted before')
    .option('--yes <slug>', 'its slug again, to confirm; by default it is asked for')
    .action(async (slug: string, options: DeleteOptions) => {
      if (options.yes === undefined && !context.stdin.isTTY) {
        command.error('error: there is no terminal to ask for confirmation; repeat the slug with --yes <slug>');
      }
      await remove(context, slug, options);
    });
  tenant
    .command('undelete')
    .description('Bring a deleted tenant back, with the migrations that it lacks')
    .argument('<slug>', 'its slug or id')
    .action((slug: string) => undelete(context, slug));
}

async function remove(context: CommandContext, reference: string, { yes, purge = false }: DeleteOptions) {
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const { deleteTenant } = await import('../../../tenants/delete.ts');
  const { commandActor } = await import('../../audit-command.ts');
  const { slug, status, purgeAt } = await withServices(context, async ({ catalog, provisioning }) => {
    const isForGood = purge || provisioning.retentionDays === 0;
    const confirmation = yes ?? (await ask(context, await tenantByReference(catalog, reference), isForGood));
    return deleteTenant(provisioning, reference, { confirmation, purge, by: commandActor() });
  });
  if (status !== 'DELETED') return void context.stdout.write(`The tenant ${slug} was removed for good.\n`);
  context.stdout.write(
    `The tenant ${slug} was deleted. It is removed for good at ${purgeAt?.toISOString()}. Until then, tenantry tenant undelete ${slug} brings it back.\n`,
  );
}

async function ask(context: CommandContext, { slug, name }: { slug: string; name: string }, isForGood: boolean) {
  const { withPrompt } = await import('../../ui/prompt.ts');
  const what = isForGood
    ? `All data and checkpoints of the tenant ${slug} (${oneLine(name)}) will be permanently removed.`
    : `The tenant ${slug} (${oneLine(name)}) will no longer be served.`;
  context.stderr.write(`${what}\n`);
  return withPrompt(context, false, (prompt) => prompt('Type its slug to delete it: '));
}

async function undelete(context: CommandContext, reference: string): Promise<void> {
  const { undeleted } = await import('../../../fleet/runs/undelete.ts');
  const { audited } = await import('../../audit-command.ts');
  const { show } = await import('../follow-run.ts');
  const { createRunView } = await import('../../ui/run-view.ts');
  // This process carries the run out, together with running servers and workers.
  await using app = await openApp(context, { worker: true });
  const { services } = app;
  const { provisioning, runs } = services;
  const { slug, status } = await audited(context, services, async () => {
    const run = await runs.undelete(provisioning, reference);
    if (run !== undefined) {
      const view = createRunView(context, context.stderr);
      await show(services, { run }, (event) => view.show(event));
      view.end();
    }
    return undeleted(provisioning, reference, run);
  });
  context.stdout.write(`The tenant ${slug} is back. It is ${status}.\n`);
}
