import type { Command } from 'commander';
import type { Resolution } from '../../../tenants/attention.ts';
import { withServices } from '../../open-app.ts';
import { type CommandContext, CommandExit, exitCode, oneLine, type Screen, writeJson } from '../../ui/terminal.ts';

interface ResolveOptions {
  readonly force?: true;
  readonly json?: true;
}

/** `tenantry tenant resolve`. */
export function addResolveCommand(tenant: Command, context: CommandContext): void {
  tenant
    .command('resolve')
    .description('Check a tenant that needs attention, show its migrations, and serve it again if nothing is wrong')
    .argument('<slug>', 'its slug or id')
    .option('--force', 'serve it again despite problems')
    .option('--json', 'print JSON')
    .action((slug: string, options: ResolveOptions) => resolve(context, slug, options));
}

async function resolve(context: CommandContext, slug: string, { force: wanted, json }: ResolveOptions): Promise<void> {
  const force = wanted === true;
  const { resolveAttention } = await import('../../../tenants/attention.ts');
  const found = await withServices(context, (services) => resolveAttention(services, slug, force));
  const { tenant, ...rest } = found;
  if (json) writeJson(context.stdout, { tenant: tenant.slug, status: tenant.status, ...rest });
  else describe(context.stdout, found);
  if (tenant.status === 'NEEDS_ATTENTION') throw new CommandExit(exitCode.failure);
}

function describe(screen: Screen, { tenant, applied, pending, lastFailure, problems, resolved }: Resolution): void {
  const lines = [
    `applied:      ${applied.join(', ') || '—'}`,
    `pending:      ${pending.join(', ') || '—'}`,
    ...(lastFailure === null ? [] : [`last failure: ${oneLine(lastFailure)}`]),
    ...problems.map((problem) => `problem:      ${oneLine(problem)}`),
    '',
    tenant.status === 'NEEDS_ATTENTION'
      ? `${tenant.slug} still needs attention. Fix the problems and run this again, or serve it as it is with --force.`
      : `${tenant.slug} is ${tenant.status}${resolved ? ' again' : ', as before'}.`,
  ];
  screen.write(`${lines.join('\n')}\n`);
}
