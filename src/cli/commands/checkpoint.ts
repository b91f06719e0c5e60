import type { Command } from 'commander';
import type { Checkpoint } from '../../catalog/entities/checkpoint.entity.ts';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../installation/services.ts';
import { expandId, parseId } from '../id-prefix.ts';
import { withServices } from '../open-app.ts';
import { type Column, writeTable } from '../ui/table.ts';
import { type CommandContext, writeJson } from '../ui/terminal.ts';

const idArgument = [
  '<id>',
  "the checkpoint's id, or its beginning; tenantry checkpoint list shows it",
  parseId,
] as const;
const jsonOption = ['--json', 'print JSON'] as const;

/** `tenantry checkpoint create | list | restore | delete`: copies of tenants' databases, to go back to. */
export function addCheckpointCommand(program: Command, context: CommandContext): void {
  const { stdout } = context;
  const checkpoint = program.command('checkpoint').description("Copy tenants' databases, and go back to such a copy");
  checkpoint
    .command('create')
    .description("Copy a tenant's database; its requests have to wait meanwhile")
    .argument('<tenant>', "the tenant's slug or id")
    .option('--name <name>', 'what to call the copy; by default after the time')
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
    .description("Put a checkpoint in the place of its tenant's database, after telling what would be lost")
    .argument(...idArgument)
    .option('--accept-data-loss', 'go on, although what was written since is lost')
    .action(async (start: string, { acceptDataLoss = false }: { acceptDataLoss?: boolean }) => {
      const { restoreCheckpoint } = await import('../../checkpoints/restore.ts');
      const { id, slug } = await withServices(context, async ({ catalog, checkpoints }) => {
        const id = await expandId(catalog, 'checkpoint', start);
        return { id, slug: (await restoreCheckpoint(checkpoints, id, acceptDataLoss)).slug };
      });
      stdout.write(`The tenant ${slug} is as the checkpoint ${id} was. The checkpoint is kept.\n`);
    });
  checkpoint
    .command('delete')
    .description('Drop a checkpoint; its tenant stays as it is')
    .argument(...idArgument)
    .action(async (start: string) => {
      const { deleteCheckpoint } = await import('../../checkpoints/checkpoints.ts');
      const id = await withServices(context, async ({ catalog, checkpoints }) => {
        const id = await expandId(catalog, 'checkpoint', start);
        await deleteCheckpoint(checkpoints, id);
        return id;
      });
      stdout.write(`The checkpoint ${id} is dropped.\n`);
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
      `Made the checkpoint ${view.name} of ${view.tenant}. Go back to it with: tenantry checkpoint restore ${view.id}\n`,
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

/** A checkpoint as the command line shows it; the field names of `--json`. */
interface CheckpointView {
  readonly id: string;
  readonly name: string;
  readonly tenant: string | null;
  /** The last migration that it has. */
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
