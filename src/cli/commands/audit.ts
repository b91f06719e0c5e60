import type { Command } from 'commander';
import type { AuditEntry } from '../../catalog/entities/audit-entry.entity.ts';
import type { Services } from '../../installation/services.ts';
import { AppError } from '../../lib/errors.ts';
import { withServices } from '../open-app.ts';
import { type Column, writeTable } from '../ui/table.ts';
import { type CommandContext, writeJson } from '../ui/terminal.ts';
import { integer } from './migrate-up.ts';

interface Options {
  readonly tenant?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly limit: number;
  readonly json?: true;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000;

/** `tenantry audit`. */
export function addAuditCommand(program: Command, context: CommandContext): void {
  program
    .command('audit')
    .description('Show the audit log, newest first: who changed what, over the API or by commands')
    .option('--tenant <slug>', 'only what concerned this tenant; its slug or id, also of one that was removed for good')
    .option('--actor <name>', 'only what this person or token did; the whole name')
    .option('--action <name>', 'only this action, such as moveTenant or tenant.purge')
    .option('--outcome <code>', 'only this outcome: OK or an error code')
    .option('--limit <n>', 'how many entries; at most 1000', integer(1, MAX_LIMIT), DEFAULT_LIMIT)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tenantry audit --action tenant.purge')
    .action((options: Options) => showLog(context, options));
}

interface ShownEntry {
  readonly entry: AuditEntry;
  readonly tenant: string | null;
}

async function showLog(context: CommandContext, options: Options): Promise<void> {
  const shown = await withServices(context, (services) => readLog(services, options));
  if (options.json) {
    const views = shown.map(({ entry, tenant }) => {
      const { id, at, actor, action, outcome, tenantId, address, requestId, details, count } = entry;
      return { id, at, actor, action, outcome, tenant, tenantId, address, requestId, details, count };
    });
    return writeJson(context.stdout, views);
  }
  if (shown.length === 0) return void context.stderr.write('There are no such entries.\n');
  writeTable(context, context.stdout, columns, shown);
}

async function readLog({ catalog }: Services, options: Options): Promise<readonly ShownEntry[]> {
  const { AuditEntry } = await import('../../catalog/entities/audit-entry.entity.ts');
  const { findTenantId, slugsOf } = await import('../../auth/removed-tenants.ts');
  const { tenant, actor, action, outcome, limit } = options;
  const tenantId = tenant === undefined ? undefined : await findTenantId(catalog, tenant);
  if (tenant !== undefined && tenantId === undefined)
    throw new AppError(
      'TENANT_NOT_FOUND',
      `There is no tenant ${tenant}, and the audit log knows of none that was removed`,
    );
  const where = {
    ...(tenantId !== undefined && { tenantId }),
    ...(actor !== undefined && { actor }),
    ...(action !== undefined && { action }),
    ...(outcome !== undefined && { outcome }),
  };
  const entries = await catalog.fork().find(AuditEntry, where, { orderBy: { id: 'desc' }, limit });
  const slugs = await slugsOf(catalog, [...new Set(entries.flatMap((entry) => entry.tenantId ?? []))]);
  return entries.map((entry) => ({ entry, tenant: slugs.get(entry.tenantId ?? '') ?? null }));
}

const columns: readonly Column<ShownEntry>[] = [
  { title: 'WHEN', value: ({ entry: { at } }) => at.toISOString().slice(0, 19) },
  { title: 'ACTOR', value: ({ entry: { actor } }) => actor },
  { title: 'ACTION', value: ({ entry: { action, count } }) => (count > 1 ? `${action} × ${count}` : action) },
  { title: 'TENANT', value: ({ entry: { tenantId }, tenant }) => tenant ?? tenantId },
  { title: 'OUTCOME', value: ({ entry: { outcome } }) => outcome },
  { title: 'DETAILS', value: ({ entry: { details } }) => details },
];
