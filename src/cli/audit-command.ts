import { hostname } from 'node:os';
import type { Command } from 'commander';
import { describeArguments, outcomeOf, writeAudit } from '../auth/audit-log.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { messageOf } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';
import { operatorName } from './operator.ts';
import type { CommandContext } from './ui/terminal.ts';

/** Commands that change nothing. Those that need no installation leave no entry anyway, as there is no log to write to. */
export const unauditedCommands: ReadonlySet<string> = new Set([
  'checkpoint list',
  'migrate check',
  'migrate history',
  'migrate new',
  'migrate plan',
  'migrate runs',
  'migrate snapshot',
  'migrate status',
  'migrate watch',
  'server list',
  'tenant list',
  'tenant show',
  'user list',
]);

/** Commands that do what a mutation does: the log has them under its name. */
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
  'tenant create': 'createTenant',
  'tenant delete': 'deleteTenant',
  'tenant resolve': 'resolveTenant',
  'tenant suspend': 'suspendTenant',
  'tenant update': 'updateTenant',
};

/**
 * Does what the command is for, and writes to the audit log how it ended, unless the command changes nothing. What was done is
 * done: an entry that cannot be written is told, and is no failure.
 */
export async function audited<T>(
  { command, stderr }: CommandContext,
  { catalog }: { readonly catalog: Catalog },
  work: () => Promise<T>,
): Promise<T> {
  const path = pathOf(command);
  // It prints a script.
  if (unauditedCommands.has(path) || command.opts().sql === true) return work();
  const named = argumentsOf(command);
  const findTenant = () => tenantIdOf(catalog, [named.tenant ?? named.slug].flat());
  // It may be gone afterwards, or not be there yet.
  const before = await findTenant().catch(() => undefined);
  const record = async (outcome: string) => {
    try {
      await writeAudit(catalog, {
        actor: `command line (${operatorName()}@${hostname()})`,
        userId: undefined,
        action: mutationOfCommand[path] ?? `tenantry ${path}`,
        tenantId: before ?? (await findTenant()),
        outcome,
        address: undefined,
        requestId: undefined,
        details: describeArguments(named),
      });
    } catch (error) {
      stderr.write(`This cannot be written to the audit log: ${messageOf(error)}\n`);
    }
  };
  let result: T;
  try {
    result = await work();
  } catch (error) {
    // Whoever presses Ctrl-C at a question has done nothing.
    if (!(error instanceof Error && error.name === 'AbortError')) await record(outcomeOf(error));
    throw error;
  }
  await record(outcomeOf(undefined));
  return result;
}

/** Its name, such as `migrate up`. */
function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at = command; at.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

function argumentsOf(command: Command): Readonly<Record<string, unknown>> {
  const named = command.registeredArguments.map((argument, index) => [argument.name(), command.processedArgs[index]]);
  return { ...Object.fromEntries(named), ...command.opts() };
}

/** The tenant that is meant, if it is one alone. */
async function tenantIdOf(catalog: Catalog, [reference, ...others]: readonly unknown[]): Promise<string | undefined> {
  if (typeof reference !== 'string' || others.length > 0) return undefined;
  const where = isUuid(reference) ? { id: reference } : { slug: reference };
  return (await catalog.fork().findOne(Tenant, where))?.id;
}
