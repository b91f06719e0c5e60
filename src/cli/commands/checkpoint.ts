import type { Command } from 'commander';
import type { Checkpoint } from '../../catalog/entities/checkpoint.entity.ts';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../installation/services.ts';
import { expandId, parseId } from '../id-prefix.ts';
import { withServices } from '../open-app.ts';
import { operatorName } from '../operator.ts';
import { type Column, writeTable } from '../ui/table.ts';
import { type CommandContext, writeJson } from '../ui/terminal.ts';

const idArgument = ['<id>', "the checkpoint's id or a prefix of it; see tenantry checkpoint list", parseId] as const;
const jsonOption = ['--json', 'print JSON'] as const;

/** `tenantry checkpoint create | list | restore | delete`: copies of tenants that can be restored. */
export function addCheckpointCommand(program: Command, context: CommandContext): void {
  const { stdout } = context;
  const checkpoint = program.command('checkpoint').description('Copy tenants and restore the copies');
  checkpoint
    .command('create')
    .description("Copy a tenant; if it has a database, the tenant's requests wait meanwhile")
    .argument('<tenant>', "the tenant's slug or id")
    .option('--name <name>', 'the name of the copy; by default it contains the time')
    .option(...jsonOption)
    .action((tenant: string, options: { name?: string; json?: true }) => create(context, tenant, options));
  checkpoint
    .command('list')
    .description('List the checkpoints of a tenant, or of all, newest first')
    .argument('[tenant]', "the tenant's slug or id")
    .option(...jsonOption)
    .action((tenant: string | undefined, options: { json?: true }) => list(context, tenant, options));
  checkpoint
    .command('restore')
    .description('Restore a tenant to a checkpoint, after showing what would be lost')
    .argument(...idArgument)
    .option('--accept-data-loss', 'restore although data written since is lost')
    .action(async (start: string, { acceptDataLoss = false }: { acceptDataLoss?: boolean }) => {
      const { restoreCheckpoint } = await import('../../transfers/restore.ts');
      const { id, slug } = await withServices(context, async ({ catalog, transfers }) => {
        const id = await expandId(catalog, 'checkpoint', start);
        const by = { requestedBy: operatorName() };
        return { id, slug: (await restoreCheckpoint(transfers, id, acceptDataLoss, by)).slug };
      });
      stdout.write(`The tenant ${slug} was restored from the checkpoint ${id}. The checkpoint is kept.\n`);
    });
  checkpoint
    .command('delete')
    .description('Delete a checkpoint; its tenant does not change')
    .argument(...idArgument)
    .action(async (start: string) => {
      const { deleteCheckpoint } = await import('../../checkpoints/checkpoints.ts');
      const id = await withServices(context, async ({ catalog, checkpoints }) => {
        const id = await expandId(catalog, 'checkpoint', start);
        await deleteCheckpoint(checkpoints, id);
        return id;
      });
      stdout.write(`The checkpoint ${id} was deleted.\n`);
    });
}

async function create(
  context: CommandContext,
  reference: string,
  { name, json }: { name?: string; json?: true },
): Promise<void> {
  const { createCheckpoint } = await import('../../checkpoints/checkpoints.ts');
  const view = await withServices(context, async (services) =>
    viewOf(await createCheckpoint(services.checkpoints, await findTenant(services, reference), name)),
  );
  if (json) writeJson(context.stdout, view);
  else {
    context.stdout.write(
      `Created the checkpoint ${view.name} of ${view.tenant}. To restore it: tenantry checkpoint restore ${view.id}\n`,
    );
  }
}

async function list(context: CommandContext, reference: string | undefined, { json }: { json?: true }): Promise<void> {
  const { listCheckpoints } = await import('../../checkpoints/checkpoints.ts');
  const views = await withServices(context, async (services) => {
    const tenant = reference === undefined ? undefined : await findTenant(services, reference);
    return (await listCheckpoints(services.checkpoints, tenant)).map(viewOf);
  });
  if (json) writeJson(context.stdout, views);
  else if (views.length === 0) context.stderr.write('There are no checkpoints.\n');
  else writeTable(context, context.stdout, columns, views);
}

async function findTenant({ catalog }: Services, reference: string): Promise<Tenant> {
  const { tenantByReference } = await import('../../catalog/find-tenants.ts');
  return tenantByReference(catalog, reference);
}

/** A checkpoint for the command line. The fields are those of `--json`. */
interface CheckpointView {
  readonly id: string;
  readonly name: string;
  readonly tenant: string | null;
  /** The last migration that it contains. */
  readonly version: string | null;
  readonly createdAt: string;
  readonly sizeBytes: number | null;
}

const columns: readonly Column<CheckpointView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'TENANT', value: ({ tenant }) => tenant },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'VERSION', value: ({ version }) => version },
  { title: 'CREATED', value: ({ createdAt }) => createdAt.slice(0, 19) },
  { title: 'MB', value: ({ sizeBytes }) => (sizeBytes === null ? null : Math.ceil(sizeBytes / 1_000_000)) },
];

function viewOf({ id, name, tenant, migrationState, createdAt, sizeBytes }: Checkpoint): CheckpointView {
  return {
    id,
    name,
    tenant: tenant?.getEntity().slug ?? null,
    version: migrationState?.getEntity().version ?? null,
    createdAt: createdAt.toISOString(),
    sizeBytes: sizeBytes ?? null,
  };
}
