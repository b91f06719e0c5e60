import { followRun } from '../../fleet/events/events.ts';
import { cancelRun } from '../../fleet/runs/control.ts';
import { isRunLeft, readRunReport, readRunTenants } from '../../fleet/runs/report.ts';
import type { Services } from '../../installation/services.ts';
import { onSignals } from '../../lib/signals.ts';
import { audited } from '../audit-command.ts';
import { openApp } from '../open-app.ts';
import { summaryOf, writeSummary } from '../ui/run-summary.ts';
import { createRunView, type ReportedEvent, type RunView } from '../ui/run-view.ts';
import { type CommandContext, CommandExit, exitCode, type Screen, writeJson } from '../ui/terminal.ts';

/** A run that a command has started, or one that it watches. */
export interface StartedRun {
  readonly run: string;
  /** The sequence number of the last event that is not shown. */
  readonly after?: number;
}

/** How a run is carried out. */
export interface CarryOutOptions {
  /** Start it only, and leave it to servers and workers. */
  readonly detach?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly concurrency?: number | undefined;
}

/** How long nothing happens in a run before its watcher is told if nobody works on it, in milliseconds. */
const SILENCE_MS = 5_000;

/**
 * Starts a run, works on it together with whoever else works, shows it, and sums it up. Ctrl-C cancels it, and so does SIGTERM,
 * by which those who run deploy jobs end them.
 * @throws {CommandExit} if it did not succeed
 */
export async function carryOut(
  context: CommandContext,
  { detach = false, json = false, concurrency }: CarryOutOptions,
  start: (services: Services) => Promise<StartedRun>,
): Promise<void> {
  await using app = await openApp(context, { worker: !detach, concurrency });
  const { services } = app;
  const { run, after = 0 } = await audited(context, services, () => start(services));
  if (detach) {
    if (json) writeJson(context.stdout, { run });
    else context.stdout.write(`${run}\n`);
    return void context.stderr.write(`Servers and workers carry it out. Follow it with: ${howToFollow(run)}\n`);
  }
  const view = createRunView(context, context.stderr);
  using interrupts = onSignals(['SIGINT', 'SIGTERM'], context.env, ({ isRepeated }) => {
    if (isRepeated) exitAtOnce(context.stderr, run);
    view.note('Cancelling: tenants under way still end. Ctrl-C again leaves at once.');
    // It may have ended in this moment.
    cancelRun(services.runs, run).catch(() => undefined);
  });
  await show(services, { run, after }, (event) => view.show(event));
  view.end();
  const report = await readRunReport(services.catalog, run);
  if (json) writeJson(context.stdout, summaryOf(report));
  else writeSummary(context.stdout, report);
  if (interrupts.received) throw new CommandExit(exitCode.interrupted);
  if (report.run.status !== 'SUCCEEDED') throw new CommandExit(exitCode.failure);
}

/**
 * Shows a run that others carry out, until it ends, nobody reads it any more, or Ctrl-C is pressed, which leave the run alone.
 * @throws {CommandExit} if it did not succeed, or Ctrl-C was pressed
 */
export async function watch(
  context: CommandContext,
  services: Services,
  started: StartedRun,
  json: boolean | undefined,
): Promise<void> {
  const { stdout } = context;
  const stop = new AbortController();
  const view: RunView | undefined = json ? undefined : createRunView(context, stdout);
  using interrupts = onSignals(['SIGINT'], context.env, () => stop.abort());
  stdout.once('error', () => stop.abort());
  using silence = onSilence(async () => {
    if (!(await isRunLeft(services.catalog, started.run))) return;
    const text = `Nobody works on this run now. A server or tenantry worker takes it up; so does: tenantry migrate resume ${started.run}`;
    if (view) view.note(text);
    else context.stderr.write(`${text}\n`);
  });
  const tell = (event: ReportedEvent) => {
    silence.broken();
    if (view) view.show(event);
    else stdout.write(`${JSON.stringify(event)}\n`);
  };
  await show(services, started, tell, stop.signal);
  view?.end();
  if (interrupts.received) throw new CommandExit(exitCode.interrupted);
  if (stop.signal.aborted) return;
  const report = await readRunReport(services.catalog, started.run);
  if (!json) writeSummary(stdout, report);
  if (report.run.status !== 'SUCCEEDED') throw new CommandExit(exitCode.failure);
}

async function show(
  { catalog, listener }: Services,
  { run, after = 0 }: StartedRun,
  tell: (event: ReportedEvent) => void,
  signal?: AbortSignal,
): Promise<void> {
  const slugs = await readRunTenants(catalog, run);
  for await (const event of followRun(catalog, listener, run, after, signal)) {
    tell({ ...event, tenant: event.tenantId === null ? null : (slugs.get(event.tenantId) ?? event.tenantId) });
  }
}

/** Calls back when nothing has been heard for a while, and again each time that it becomes silent again. */
function onSilence(callback: () => Promise<void>) {
  // Whoever only watches need not know that the catalog cannot be asked now.
  const timer = setTimeout(() => void callback().catch(() => undefined), SILENCE_MS);
  return { broken: () => void timer.refresh(), [Symbol.dispose]: () => clearTimeout(timer) };
}

function exitAtOnce(stderr: Screen, run: string): never {
  stderr.write(
    `Left. What was under way is ended by servers and workers, or rolled back. Follow it with: ${howToFollow(run)}\n`,
  );
  // Not by way of an exception: what is open would first wait for the tenants under way.
  process.exit(exitCode.interrupted);
}

function howToFollow(run: string): string {
  return `tenantry migrate watch ${run}`;
}
