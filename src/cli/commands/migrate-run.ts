import type { Command } from 'commander';
import { expandId, parseId } from '../id-prefix.ts';
import { withServices } from '../open-app.ts';
import type { CommandContext } from '../ui/terminal.ts';
import type { CarryOutOptions } from './follow-run.ts';

const runArgument = ['<run>', "the run's id or a prefix of it; see tenantry migrate runs", parseId] as const;
const detachOption = ['--detach', 'only start it, and leave it to servers and workers'] as const;
const jsonOption = ['--json', 'print the summary as JSON'] as const;

/** `tenantry migrate watch | cancel | resume | undo`: commands for one run. */
export function addRunCommands(migrate: Command, context: CommandContext): void {
  migrate
    .command('watch')
    .description(
      'Follow a run from its start to its end, whichever process carries it out; Ctrl-C does not stop the run',
    )
    .argument(...runArgument)
    .option('--json', 'print each event as a line of JSON')
    .action((id: string, { json }: { json?: true }) =>
      withServices(context, async (services) => {
        const { watch } = await import('./follow-run.ts');
        await watch(context, services, { run: await expandId(services.catalog, 'run', id) }, json);
      }),
    );
  migrate
    .command('cancel')
    .description('Cancel a run: tenants in progress finish, the others are not started')
    .argument(...runArgument)
    .action(async (id: string) => {
      const run = await withServices(context, async ({ catalog, runs }) => {
        const run = await expandId(catalog, 'run', id);
        await runs.cancel(run);
        return run;
      });
      context.stdout.write(
        `The run ${run} is being cancelled: tenants in progress finish, and backfills pause after their batch. To migrate the rest: tenantry migrate resume ${run}\n`,
      );
    });
  migrate
    .command('resume')
    .description(
      "Retry a run's failed, cancelled and unstarted tenants, or continue a run that no process is working on",
    )
    .argument(...runArgument)
    .option(...detachOption)
    .option(...jsonOption)
    .action(async (id: string, options: CarryOutOptions) => {
      const { carryOut } = await import('./follow-run.ts');
      const { readRunReport } = await import('../../fleet/runs/report.ts');
      const { hasEnded } = await import('../../catalog/run-status.ts');
      await carryOut(context, options, async ({ catalog, runs }) => {
        const run = await expandId(catalog, 'run', id);
        const { status, lastSeq } = (await readRunReport(catalog, run)).run;
        if (hasEnded(status)) await runs.resume(run);
        else context.stderr.write(`The run is ${status}, so it continues as it was started.\n`);
        return { run, after: lastSeq };
      });
    });
  migrate
    .command('undo')
    .description('Revert exactly what a run applied, tenant by tenant')
    .argument(...runArgument)
    .option(...detachOption)
    .option(...jsonOption)
    .action(async (id: string, options: CarryOutOptions) => {
      const { carryOut } = await import('./follow-run.ts');
      await carryOut(context, options, async ({ catalog, runs }) => {
        const parent = await expandId(catalog, 'run', id);
        return { run: await runs.undo(parent) };
      });
    });
}
