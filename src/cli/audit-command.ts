import { hostname } from 'node:os';
import type { Command } from 'commander';
import { describeArguments, outcomeOf, writeAudit } from '../auth/audit-log.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { messageOf } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';
import { operatorName } from './operator.ts';
import type { CommandContext } from './ui/terminal.ts';

/** Read-only commands. Commands that need no installation are not audited either, because they have no log to write to. */
export const unauditedCommands: ReadonlySet<string> = new Set([
  'audit',
  'checkpoint list',
  'drift',
  'migrate check',
  'migrate history',
  'migrate new',
  'migrate plan',
  'migrate runs',
  'migrate snapshot',
  'migrate status',
  'migrate watch',
  'server list',
  'status',
  'tenant list',
  'tenant show',
  'tenant transfers',
  'tenant watch',
  'user list',
  'webhook deliveries',
  'webhook list',
]);

/** The mutations that commands correspond to. The audit log uses the mutation's name for both. */
export const mutationOfCommand: Readonly<Record<string, string>> = {
  'checkpoint create': 'createCheckpoint',
  'checkpoint delete': 'deleteCheckpoint',
  'checkpoint restore': 'restoreCheckpoint',
  'migrate accept': 'acceptMigrationHash',
  'migrate cancel': 'cancelMigrationRun',
  'migrate down': 'rollbackMigrations',
  'migrate resume': 'resumeMigrationRun',
  'migrate undo': 'undoMigrationRun',
  'migrate up': 'runMigrations',
  'tenant activate': 'activateTenant',
  'tenant cancel': 'cancelTenantTransfer',
  'tenant clone': 'cloneTenant',
  'tenant create': 'createTenant',
  'tenant delete': 'deleteTenant',
  'tenant drop-old': 'dropOldPlaces',
  'tenant move': 'moveTenant',
  'tenant resolve': 'resolveTenant',
  'tenant resume': 'resumeTenantTransfer',
  'tenant suspend': 'suspendTenant',
  'tenant undelete': 'undeleteTenant',
  'tenant update': 'updateTenant',
  'webhook create': 'createWebhook',
  'webhook delete': 'deleteWebhook',
  'webhook redeliver': 'redeliverWebhook',
};

/** The name in the audit log of whoever runs a command. */
export function commandActor(): string {
  return `command line (${operatorName()}@${hostname()})`;
}

/**
 * Runs a command's work and writes its outcome to the audit log, unless the command is read-only. If the entry cannot be
 * written, that is reported, but the command does not fail.
 */
export async function audited<T>(
  { command, stderr }: CommandContext,
  { catalog }: { readonly catalog: Catalog },
  work: () => Promise<T>,
): Promise<T> {
  const path = pathOf(command);
  // With --sql, it only prints a script.
  if (unauditedCommands.has(path) || command.opts().sql === true) return work();
  const named = argumentsOf(command);
  const findTenant = () => tenantIdOf(catalog, [named.tenant ?? named.slug ?? named.slugs].flat());
  // The command may delete the tenant, or create it.
  const before = await findTenant().catch(() => undefined);
  const record = async (outcome: string) => {
    try {
      await writeAudit(catalog, {
        actor: commandActor(),
        userId: undefined,
        action: mutationOfCommand[path] ?? `tenantry ${path}`,
        tenantId: before ?? (await findTenant()),
        outcome,
        address: undefined,
        requestId: undefined,
        details: describeArguments(named),
      });
    } catch (error) {
      stderr.write(`Cannot write this command to the audit log: ${messageOf(error)}\n`);
    }
  };
  let result: T;
  try {
    result = await work();
  } catch (error) {
    // Ctrl-C at a prompt means that nothing was done.
    if (!(error instanceof Error && error.name === 'AbortError')) await record(outcomeOf(error));
    throw error;
  }
  await record(outcomeOf(undefined));
  return result;
}

/** Returns a command's full name, such as `migrate up`. */
function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at = command; at.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

function argumentsOf(command: Command): Readonly<Record<string, unknown>> {
  const named = command.registeredArguments.map((argument, index) => [argument.name(), command.processedArgs[index]]);
  return { ...Object.fromEntries(named), ...command.opts() };
}

/** Returns the id of the command's tenant, if it names exactly one. */
async function tenantIdOf(catalog: Catalog, [reference, ...others]: readonly unknown[]): Promise<string | undefined> {
  if (typeof reference !== 'string' || others.length > 0) return undefined;
  const where = isUuid(reference) ? { id: reference } : { slug: reference };
  return (await catalog.fork().findOne(Tenant, where))?.id;
}
