import { followRun } from '../../fleet/events/events.ts';
import { isRunLeft, readRunReport, readRunTenants } from '../../fleet/runs/report.ts';
import type { Services } from '../../installation/services.ts';
import { onSignals } from '../../lib/signals.ts';
import { audited } from '../audit-command.ts';
import { openApp } from '../open-app.ts';
import { summaryOf, writeSummary } from '../ui/run-summary.ts';
import { createRunView, type ReportedEvent, type RunView } from '../ui/run-view.ts';
import { type CommandContext, CommandExit, exitCode, type Screen, writeJson } from '../ui/terminal.ts';

/** A run that a command has started or follows. */
export interface StartedRun {
  readonly run: string;
  /** The sequence number after which events are shown. */
  readonly after?: number;
}

/** How a run is carried out. */
export interface CarryOutOptions {
  /** Only start it, and leave it to servers and workers. */
  readonly detach?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly concurrency?: number | undefined;
}

/** How long a run may be silent before the command checks whether any process is working on it, in milliseconds. */
const SILENCE_MS = 5_000;

/**
 * Starts a run, works on it together with other processes, shows its progress and prints a summary. Ctrl-C cancels the run,
 * as does SIGTERM, which stops deployment jobs.
 * @throws {CommandExit} if the run did not succeed
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
    return void context.stderr.write(`Servers and workers carry out the run. Follow it with: ${howToFollow(run)}\n`);
  }
  const view = createRunView(context, context.stderr);
  using interrupts = onSignals(['SIGINT', 'SIGTERM'], context.env, ({ isRepeated }) => {
    if (isRepeated) exitAtOnce(context.stderr, run);
    view.note('Cancelling: tenants in progress finish. Press Ctrl-C again to exit immediately.');
    // The run may have ended just now.
    services.runs.cancel(run).catch(() => undefined);
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
 * Follows a run that other processes carry out, until it ends, the output is closed or Ctrl-C is pressed. It does not affect
 * the run.
 * @throws {CommandExit} if the run did not succeed or Ctrl-C was pressed
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
    const text = `No process is working on this run. Start a server or tenantry worker, or run: tenantry migrate resume ${started.run}`;
    if (view) view.note(text);
    else context.stderr.write(`${text}\n`);
  });
  const showEvent = (event: ReportedEvent) => {
    silence.broken();
    if (view) view.show(event);
    else stdout.write(`${JSON.stringify(event)}\n`);
  };
  await show(services, started, showEvent, stop.signal);
  view?.end();
  if (interrupts.received) throw new CommandExit(exitCode.interrupted);
  if (stop.signal.aborted) return;
  const report = await readRunReport(services.catalog, started.run);
  if (!json) writeSummary(stdout, report);
  if (report.run.status !== 'SUCCEEDED') throw new CommandExit(exitCode.failure);
}

/** Shows the events of a run until it ends. */
export async function show(
  { catalog, listener }: Services,
  { run, after = 0 }: StartedRun,
  showEvent: (event: ReportedEvent) => void,
  signal?: AbortSignal,
): Promise<void> {
  const slugs = await readRunTenants(catalog, run);
  for await (const event of followRun(catalog, listener, run, after, signal)) {
    showEvent({ ...event, tenant: event.tenantId === null ? null : (slugs.get(event.tenantId) ?? event.tenantId) });
  }
}

/** Calls back after a period of silence, and again after each further one. */
function onSilence(callback: () => Promise<void>) {
  // A failure to query the catalog is not worth reporting here.
  const timer = setTimeout(() => void callback().catch(() => undefined), SILENCE_MS);
  return { broken: () => void timer.refresh(), [Symbol.dispose]: () => clearTimeout(timer) };
}

function exitAtOnce(stderr: Screen, run: string): never {
  stderr.write(
    `Exiting. Servers and workers finish the tenants in progress, or roll them back. Follow the run with: ${howToFollow(run)}\n`,
  );
  // An exception would first wait for the tenants in progress when it closes the installation.
  process.exit(exitCode.interrupted);
}

function howToFollow(run: string): string {
  return `tenantry migrate watch ${run}`;
}
