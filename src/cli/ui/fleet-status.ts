import type { FailureGroup } from '../../fleet/failures/failure-groups.ts';
import type { FleetReport } from '../../fleet/overview/report.ts';
import { paceOf } from '../../fleet/runs/pace.ts';
import { tenantsInWords } from '../../fleet/runs/settle.ts';
import { columnsOf } from './live.ts';
import { runView } from './run-summary.ts';
import { duration } from './run-view.ts';
import { type Column, cut, writeTable } from './table.ts';
import { type CommandContext, oneLine } from './terminal.ts';
import { summaryOf, transferLine } from './transfer-summary.ts';

/** How many items of a list fit on the screen. */
const SHOWN = 5;

type Run = FleetReport['unfinished'][number];

/** Writes the state of the fleet for a person. */
export function writeFleetStatus(context: CommandContext, report: FleetReport): void {
  const { stdout } = context;
  const { counts, needAttention, unfinished, transfers, newest, servers } = report;
  const line = (text: string) => void stdout.write(`${stdout.isTTY ? cut(text, columnsOf(stdout)) : text}\n`);
  line(`${tenantsInWords(counts.total)}, ${counts.behind} behind, ${counts.needsAttention} in need of attention`);
  line(`  by status     ${numbers(counts.byStatus.map(({ status, count }) => [status, count]))}`);
  line(
    `  by version    ${numbers(counts.byVersion.map(({ version, count }) => [version ?? 'none or unknown', count]))}`,
  );
  line(`  by server     ${numbers(counts.byServer.map(({ server, count }) => [server, count]))}`);
  line(`  by isolation  ${numbers(counts.byIsolation.map(({ isolation, count }) => [isolation, count]))}`);
  if (counts.needsAttention > 0) {
    line(`  attention     ${namesOf(needAttention, counts.needsAttention)}; see tenantry tenant resolve --help`);
  }
  line('');
  for (const run of unfinished.slice(0, SHOWN)) line(runLine(run));
  if (unfinished.length > SHOWN) line('… and more; see tenantry migrate runs');
  for (const each of transfers.slice(0, SHOWN)) line(transferLine(each));
  if (transfers.length > SHOWN) line('… and more; see tenantry tenant transfers');
  if (!newest) line('There is no run yet.');
  else if (newest.run.endedAt) line(`The newest run: ${runLine(newest.run)}`);
  for (const group of newest?.failures.slice(0, SHOWN) ?? []) line(`  ${failureLine(group)}`);
  if ((newest?.failures.length ?? 0) > SHOWN) line('  … and more kinds of failures');
  if (counts.behind > 0) line('To migrate the tenants that are behind: tenantry migrate up');
  line('');
  writeTable(context, stdout, serverColumns, servers);
}

/** Returns the state of the fleet for `--json`. */
export function fleetStatusView({ counts, needAttention, unfinished, transfers, newest, servers }: FleetReport) {
  return {
    ...counts,
    needAttention,
    unfinished: unfinished.map((run) => ({ ...runView(run), ...paceOf(run) })),
    transfers: transfers.map(({ transfer, isUnclaimed }) => ({ ...summaryOf(transfer), waitsForProcess: isUnclaimed })),
    newest: newest
      ? {
          ...runView(newest.run),
          ...paceOf(newest.run),
          failures: newest.failures.map(({ slugs, tenants: _, ...group }) => ({ ...group, tenants: slugs })),
        }
      : null,
    servers,
  };
}

const serverColumns: readonly Column<FleetReport['servers'][number]>[] = [
  { title: 'SERVER', value: ({ name }) => name },
  { title: 'TENANTS', value: ({ tenantCount }) => tenantCount },
  { title: 'CONNECTIONS', value: ({ connections }) => connections },
  { title: 'OF', value: ({ maxConnections }) => maxConnections },
  { title: 'PROCESSES', value: ({ processes }) => processes },
  { title: 'MAY OPEN', value: ({ processConnections }) => processConnections },
  { title: 'STATE', value: ({ error }) => error ?? 'answers' },
];

function numbers(counts: readonly (readonly [name: string, count: number])[]): string {
  const shown = counts.slice(0, SHOWN).map(([name, count]) => `${name} ${count}`);
  const more = counts.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? `, and ${more} more` : ''}` || '—';
}

function namesOf(names: readonly string[], count: number): string {
  const shown = names.slice(0, SHOWN);
  return shown.join(', ') + (count > shown.length ? `, and ${count - shown.length} more` : '');
}

function runLine(run: Run): string {
  const { id, kind, status, total, succeeded, failed, skipped, cancelled, options } = run;
  const { rate, remainingSeconds } = paceOf(run);
  const facts = [
    `${succeeded + failed + skipped}/${total} done`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(cancelled > 0 ? [`${cancelled} not started`] : []),
    ...(rate === null || run.endedAt ? [] : [`${rate} a second`]),
    ...(remainingSeconds ? [`${duration(remainingSeconds)} left`] : []),
  ];
  return `${kind}${options.dryRun ? ' (dry)' : ''} ${id} ${status}: ${facts.join(', ')}`;
}

function failureLine({ count, code, migration, error, slugs }: FailureGroup): string {
  const where = [migration, code].filter((part) => part !== null).join(', ');
  const names = slugs.length > 0 ? ` (${namesOf(slugs, count)})` : '';
  return oneLine(`${count} × ${where ? `${where}: ` : ''}${error}${names}`);
}
