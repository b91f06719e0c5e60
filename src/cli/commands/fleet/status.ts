import type { Command } from 'commander';
import { withServices } from '../../open-app.ts';
import { fleetStatusView, writeFleetStatus } from '../../ui/fleet-status.ts';
import { type CommandContext, writeJson } from '../../ui/terminal.ts';

/** `tenantry status`: the fleet on one screen. */
export function addStatusCommand(program: Command, context: CommandContext): void {
  program
    .command('status')
    .description('Show the fleet on one screen: tenants, runs, failures and servers')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }) => {
      const { readFleetReport } = await import('../../../fleet/overview/report.ts');
      const report = await withServices(context, readFleetReport);
      if (json) writeJson(context.stdout, fleetStatusView(report));
      else writeFleetStatus(context, report);
    });
}
