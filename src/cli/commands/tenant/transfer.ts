import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Isolation } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { KEEP_HOURS, MAX_KEEP_HOURS } from '../../../transfers/keep-hours.ts';
import { anyCase } from '../../choices.ts';
import { expandId, parseId } from '../../id-prefix.ts';
import { withServices } from '../../open-app.ts';
import type { CommandContext } from '../../ui/terminal.ts';
import { findTransfer, transferArgument } from './find-transfer.ts';
import type { TransferCommandOptions } from './follow-transfer.ts';

interface PlaceOptions extends TransferCommandOptions {
  readonly server?: string;
  readonly isolation?: 'database' | 'schema';
}

interface MoveOptions extends PlaceOptions {
  readonly node?: string;
  readonly online?: true;
  readonly keep: number;
}

interface CloneOptions extends PlaceOptions {
  readonly checkpoint?: string;
  readonly name?: string;
  readonly host?: string;
  readonly neutralize: boolean;
}

const slugArgument = ['<slug>', 'its slug or id'] as const;
const detachOption = ['--detach', 'only start it, and leave it to servers and workers'] as const;
const jsonOption = ['--json', 'print the result as JSON'] as const;

const isolationOption = (meaning: string) =>
  anyCase(new Option('--isolation <kind>', meaning).choices(['database', 'schema']));

/** `tenantry tenant move | clone | watch | cancel | resume`. */
export function addTransferCommands(tenant: Command, context: CommandContext): void {
  const moveCommand = tenant
    .command('move')
    .description('Move a tenant to another server or node, or from a database to a schema or back')
    .argument(...slugArgument)
    .option('--server <name>', 'the server to move it to; by default where it is')
    .addOption(isolationOption('whether it has a database or a schema afterwards; by default as before'))
    .option('--node <host:port>', 'a node of the Citus cluster of its server, instead of a server or isolation')
    .option(
      '--online',
      'copy it while it is served, and pause it only for the switch; with --node, its writes go on while it moves',
    )
    .addOption(
      new Option('--keep <time>', 'how long the old place is kept, such as 24h, 7d or 0; not with --node')
        .argParser(parseHours)
        .default(KEEP_HOURS, `${KEEP_HOURS}h`),
    )
    .option(...detachOption)
    .option(...jsonOption)
    .action((slug: string, options: MoveOptions) => {
      if (options.node !== undefined && moveCommand.getOptionValueSource('keep') === 'cli') {
        moveCommand.error('error: a move with --node keeps nothing of where the tenant was; leave --keep out');
      }
      return move(context, slug, options);
    });
  tenant
    .command('clone')
    .description('Create a tenant with the rows of another one or of its checkpoint')
    .argument(...slugArgument)
    .argument('<new>', 'the slug of the clone')
    .option('--checkpoint <id>', 'clone this checkpoint of the tenant; see tenantry checkpoint list', parseId)
    .option('--name <name>', 'its display name; by default that of the tenant')
    .option('--host <host>', 'the host name that identifies it in requests')
    .option('--server <name>', 'the server to put it on; by default that of the tenant, if it accepts tenants')
    .addOption(isolationOption('whether the clone has a database or a schema; by default as the tenant'))
    .option('--no-neutralize', 'keep addresses, names and the like as they are')
    .option(...detachOption)
    .option(...jsonOption)
    .action((slug: string, clone: string, options: CloneOptions) => cloneTenant(context, slug, clone, options));
  tenant
    .command('watch')
    .description('Follow a transfer (a move, clone, import or restored checkpoint) to its end; Ctrl-C does not stop it')
    .argument(
      '[transfer]',
      `${transferArgument('the one that has not ended, or the latest')}; by default the newest of all`,
    )
    .option(...jsonOption)
    .action((id: string | undefined, { json }: { json?: true }) =>
      withServices(context, async (services) => {
        const { newestTransfer, watchTransfer } = await import('./follow-transfer.ts');
        const transfer =
          id === undefined
            ? await newestTransfer(context, services)
            : await findTransfer(services.catalog, id, 'latest');
        await watchTransfer(context, services, transfer, json);
      }),
    );
  tenant
    .command('cancel')
    .description('Cancel a transfer before its switch: a tenant that moves stays where it was')
    .argument('<transfer>', transferArgument('the one that has not ended'))
    .action(async (reference: string) => {
      const { cancelTransfer } = await import('../../../transfers/control.ts');
      const { TenantTransfer } = await import('../../../catalog/entities/tenant-transfer.entity.ts');
      const { id, kind, slug, endedAt } = await withServices(context, async ({ catalog, transfers }) => {
        const id = await findTransfer(catalog, reference, 'open');
        await cancelTransfer(transfers, id);
        return catalog.fork().findOneOrFail(TenantTransfer, { id });
      });
      const now = endedAt ? 'is cancelled' : 'is being cancelled';
      const again = kind === 'IMPORT' ? '' : ` To start it over: tenantry tenant resume ${id}`;
      context.stdout.write(`The transfer ${id} (${kind} of ${slug}) ${now}.${again}\n`);
    });
  tenant
    .command('resume')
    .description('Start a failed or cancelled transfer over, or carry out one that no process works on')
    .argument('<transfer>', transferArgument('the one that no process works on, or the last one'))
    .option(...detachOption)
    .option(...jsonOption)
    .action(async (reference: string, options: TransferCommandOptions) => {
      const { carryOutTransfer } = await import('./follow-transfer.ts');
      const { TenantTransfer } = await import('../../../catalog/entities/tenant-transfer.entity.ts');
      const { resumeTransfer } = await import('../../../transfers/control.ts');
      await carryOutTransfer(context, options, async ({ catalog, transfers }) => {
        const id = await findTransfer(catalog, reference, 'resumable');
        const found = await catalog.fork().findOne(TenantTransfer, { id });
        if (!found || found.endedAt) await resumeTransfer(transfers, id);
        else context.stderr.write(`The transfer is ${found.status}, so it continues as it was started.\n`);
        return id;
      });
    });
}

async function move(
  context: CommandContext,
  tenant: string,
  { server, isolation, node, online, keep, ...options }: MoveOptions,
): Promise<void> {
  const { carryOutTransfer } = await import('./follow-transfer.ts');
  const { moveTenant } = await import('../../../transfers/start-move.ts');
  const input = { tenant, server, isolation: isolationOf(isolation), node, online, keepHours: keep };
  await carryOutTransfer(context, options, async ({ transfers }) => moveTenant(transfers, input, await requester()));
}

async function cloneTenant(
  context: CommandContext,
  tenant: string,
  slug: string,
  { checkpoint, name, host, server, isolation, neutralize, ...options }: CloneOptions,
): Promise<void> {
  const { carryOutTransfer } = await import('./follow-transfer.ts');
  const { startClone } = await import('../../../transfers/clones/start.ts');
  await carryOutTransfer(context, options, async (services) => {
    const of = checkpoint === undefined ? { tenant } : { checkpoint: await checkpointOf(services, tenant, checkpoint) };
    const input = { ...of, slug, name, host, server, isolation: isolationOf(isolation), neutralize };
    return startClone(services.transfers, input, await requester());
  });
}

/**
 * Returns the id of a tenant's checkpoint.
 * @throws {AppError} BAD_USER_INPUT if it is another tenant's, whose rows the clone would have
 */
async function checkpointOf({ catalog, checkpoints }: Services, reference: string, start: string): Promise<string> {
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const { findCheckpoint } = await import('../../../checkpoints/checkpoints.ts');
  const { badInput } = await import('../../../lib/errors.ts');
  const { id: owner, slug } = await tenantByReference(catalog, reference);
  const { id, tenant } = await findCheckpoint(checkpoints, await expandId(catalog, 'checkpoint', start));
  const its = tenant?.getEntity();
  if (its?.id === owner) return id;
  throw badInput('checkpoint', `The checkpoint ${id} is of the tenant ${its?.slug}, not of ${slug}`);
}

async function requester(): Promise<{ readonly requestedBy: string }> {
  const { hostname } = await import('node:os');
  const { operatorName } = await import('../../operator.ts');
  return { requestedBy: `command line (${operatorName()}@${hostname()})` };
}

function isolationOf(choice: 'database' | 'schema' | undefined): Isolation | undefined {
  // The cast is safe: Commander has validated the choice.
  return choice?.toUpperCase() as Isolation | undefined;
}

/** Parses a time such as 24h or 7d to hours. */
function parseHours(text: string): number {
  const [, digits, unit] = /^(\d{1,4})(h|d)?$/i.exec(text) ?? [];
  if (digits === undefined || (unit === undefined && digits !== '0')) {
    throw new InvalidArgumentError('It must be a time such as 24h, 7d or 0.');
  }
  const hours = Number(digits) * (unit?.toLowerCase() === 'd' ? 24 : 1);
  if (hours > MAX_KEEP_HOURS) throw new InvalidArgumentError(`It must be at most ${MAX_KEEP_HOURS / 24}d.`);
  return hours;
}
