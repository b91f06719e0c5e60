import { type Command, Option } from 'commander';
import type { BusyOrder, BusyTenant } from '../../../monitoring/busiest-tenants.ts';
import { anyCase } from '../../choices.ts';
import { withServices } from '../../open-app.ts';
import { type Column, writeTable } from '../../ui/table.ts';
import { type CommandContext, writeJson } from '../../ui/terminal.ts';
import { integer } from '../migrate-up.ts';

interface TopOptions {
  readonly limit: number;
  readonly by: keyof typeof orders;
  readonly json?: true;
}

const orders = { requests: 'requestsPerSecond', time: 'averageConcurrency' } as const satisfies Record<
  string,
  BusyOrder
>;
/** More than anybody reads, and fewer than each process reports. */
const MAX_SHOWN = 100;

/** `tenantry top`: the busiest tenants. */
export function addTopCommand(program: Command, context: CommandContext): void {
  program
    .command('top')
    .description('Show the busiest tenants of the last seconds, in all servers together')
    .option('--limit <number>', 'how many', integer(1, MAX_SHOWN), 20)
    .addOption(
      anyCase(
        new Option('--by <what>', 'rank by requests, or by the time that they take')
          .choices(Object.keys(orders))
          .default('requests'),
      ),
    )
    .option('--json', 'print JSON')
    .action(async ({ limit, by, json }: TopOptions) => {
      const { busiestTenants } = await import('../../../monitoring/busiest-tenants.ts');
      const read = { first: limit, orderBy: orders[by] };
      const found = await withServices(context, ({ catalog }) => busiestTenants(catalog, read));
      if (json) writeJson(context.stdout, found);
      else if (found.length === 0) context.stderr.write('No server has reported requests in the last 30 seconds.\n');
      else writeTable(context, context.stdout, columns, found);
    });
}

const columns: readonly Column<BusyTenant>[] = [
  { title: 'TENANT', value: ({ slug }) => slug },
  { title: 'REQUESTS/S', value: ({ requestsPerSecond }) => requestsPerSecond.toFixed(1) },
  { title: 'AT ONCE', value: ({ averageConcurrency }) => averageConcurrency.toFixed(2) },
];
