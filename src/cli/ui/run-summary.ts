import type { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import type { RunReport } from '../../fleet/runs/report.ts';
import { tenantsInWords } from '../../fleet/runs/settle.ts';
import { duration } from './run-view.ts';
import { oneLine, type Screen } from './terminal.ts';

const kinds: Readonly<Record<string, string>> = {
  UP: 'Migrations',
  DOWN: 'Reverting migrations',
  UNDO: 'Undoing a run',
};

/** Writes what a run did, its failures and how to retry. */
export function writeSummary(screen: Screen, report: RunReport): void {
  const { run, migrations, failures, copies } = report;
  const inNeed = failures.filter(({ needsAttention }) => needsAttention).length;
  const seconds = run.startedAt && run.endedAt ? (run.endedAt.getTime() - run.startedAt.getTime()) / 1000 : undefined;
  const lines = [
    '',
    `${kinds[run.kind]}: ${run.status}${run.options.dryRun ? ' (dry run: nothing was changed)' : ''}`,
    '',
    `  Run            ${run.id}`,
    ...(seconds === undefined ? [] : [`  Took           ${duration(seconds)}`]),
    ...(copies > 0
      ? [`  Restore point  ${run.checkpoint}, with copies of ${tenantsInWords(copies)}: see tenantry checkpoint list`]
      : []),
    '',
    `  Total          ${run.total}`,
    `  Succeeded      ${run.succeeded}`,
    `  Failed         ${run.failed}${inNeed > 0 ? ` (${inNeed} ${inNeed === 1 ? 'needs' : 'need'} attention)` : ''}`,
    `  Skipped        ${run.skipped}`,
    ...(run.cancelled > 0 ? [`  Not started    ${run.cancelled}`] : []),
  ];
  if (run.itemsDroppedAt) {
    const on = run.itemsDroppedAt.toISOString().slice(0, 10);
    lines.push('', `What it did to each tenant was deleted on ${on}, as RUN_ITEM_RETENTION_DAYS says.`);
  }
  if (migrations.length > 0) {
    lines.push('', `${verb(report)}:`, ...migrations.map(({ name, tenants }) => `  ${name}  ${tenants}`));
  }
  if (failures.length > 0) {
    lines.push('', 'Failed:', ...failures.map(({ tenant, error }) => `  ${tenant}: ${oneLine(error)}`));
  }
  const again = howToTryAgain(report);
  if (again) lines.push('', `To retry what failed or was not started: ${again}`);
  if (run.options.dryRun && run.failed > 0) lines.push('', 'Fix the failures and run it again.');
  screen.write(`${lines.join('\n')}\n`);
}

/** Returns the summary for `--json`. */
export function summaryOf(report: RunReport) {
  const { run, migrations, failures } = report;
  return { ...runView(run), migrations, failures, tryAgain: howToTryAgain(report) };
}

/** Returns a run for `--json`. */
export function runView(run: MigrationRun) {
  const { id, kind, status, checkpoint, total, succeeded, failed, skipped, cancelled } = run;
  return {
    run: id,
    kind,
    status,
    dryRun: run.options.dryRun,
    checkpoint,
    createdAt: run.createdAt.toISOString(),
    startedAt: run.startedAt?.toISOString() ?? null,
    endedAt: run.endedAt?.toISOString() ?? null,
    itemsDroppedAt: run.itemsDroppedAt?.toISOString() ?? null,
    total,
    succeeded,
    failed,
    skipped,
    cancelled,
  };
}

function verb({ run }: RunReport): string {
  const [done, planned] = run.kind === 'UP' ? ['Applied', 'Would be applied'] : ['Reverted', 'Would be reverted'];
  return `${run.options.dryRun ? planned : done}, with the number of tenants`;
}

function howToTryAgain({ run }: RunReport): string | null {
  if (run.options.dryRun || run.itemsDroppedAt) return null;
  return run.endedAt && run.failed + run.cancelled > 0 ? `tenantry migrate resume ${run.id}` : null;
}
