import { TenantTransfer } from '../../../catalog/entities/tenant-transfer.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { AppError } from '../../../lib/errors.ts';
import { onSignals } from '../../../lib/signals.ts';
import { followTransfer } from '../../../transfers/events.ts';
import { isTransferLeft } from '../../../transfers/left.ts';
import { runTransferHere } from '../../../transfers/run-here.ts';
import { audited } from '../../audit-command.ts';
import { openApp } from '../../open-app.ts';
import { type CommandContext, CommandExit, exitCode, writeJson } from '../../ui/terminal.ts';
import { createTransferView } from '../../ui/transfer-view.ts';

/** How a command carries out a transfer. */
export interface TransferCommandOptions {
  /** Only start it, and leave it to servers and workers. */
  readonly detach?: true;
  readonly json?: true;
}

/** How long a transfer may be silent before the command checks whether any process works on it, in milliseconds. */
const SILENCE_MS = 5_000;

/**
 * Starts a transfer, carries it out unless a server or worker does, shows its progress and prints a summary. Ctrl-C leaves it to
 * servers and workers.
 * @throws {CommandExit} if it did not succeed
 */
export async function carryOutTransfer(
  context: CommandContext,
  { detach, json }: TransferCommandOptions,
  start: (services: Services) => Promise<string>,
): Promise<void> {
  await using app = await openApp(context);
  const { services } = app;
  const id = await audited(context, services, () => start(services));
  if (!detach) context.stderr.write(`Transfer ${id}\n`);
  if (detach) {
    if (json) writeJson(context.stdout, { transfer: id });
    else context.stdout.write(`${id}\n`);
    return void context.stderr.write(
      `Servers and workers carry out the transfer. Follow it with: ${howToFollow(id)}\n`,
    );
  }
  const stop = new AbortController();
  let failure: unknown;
  const work = runTransferHere(services.transfers, id, stop.signal).catch((error: unknown) => {
    // After Ctrl-C, it is left to others.
    if (!stop.signal.aborted) failure = error;
    stop.abort();
  });
  // After Ctrl-C, this process first leaves the transfer so that others can start it over.
  const shown = show(context, services, { id, json, stop });
  await Promise.allSettled([shown, work]);
  if (failure !== undefined) throw failure;
  await shown;
}

/**
 * Follows a transfer that other processes carry out, until it ends or Ctrl-C is pressed, which does not affect it.
 * @throws {CommandExit} if it did not succeed or Ctrl-C was pressed
 */
export async function watchTransfer(
  context: CommandContext,
  services: Services,
  id: string,
  json: true | undefined,
): Promise<void> {
  const stop = new AbortController();
  await show(context, services, { id, json, stop });
}

async function show(
  context: CommandContext,
  services: Services,
  { id, json, stop }: { readonly id: string; readonly json: true | undefined; readonly stop: AbortController },
): Promise<void> {
  const { catalog, listener } = services;
  const view = createTransferView(context, context.stderr);
  using interrupts = onSignals(['SIGINT', 'SIGTERM'], context.env, () => stop.abort());
  const timer = setInterval(() => {
    // A failure to query the catalog is not worth reporting here.
    isTransferLeft(catalog, id).then(
      (isLeft) => isLeft && view.note('No process works on the transfer. Start a server or tenantry worker.'),
      () => undefined,
    );
  }, SILENCE_MS);
  try {
    for await (const event of followTransfer(catalog, listener, id, 0, stop.signal)) {
      timer.refresh();
      view.show(event);
    }
  } finally {
    clearInterval(timer);
    view.end();
  }
  if (interrupts.received) {
    context.stderr.write(
      `The transfer is left to servers and workers; without any, it waits. Follow it with: ${howToFollow(id)}\n`,
    );
    throw new CommandExit(exitCode.interrupted);
  }
  const transfer = await catalog.fork().findOneOrFail(TenantTransfer, { id });
  if (json) writeJson(context.stdout, summaryOf(transfer));
  else context.stdout.write(`${describe(transfer)}\n`);
  if (transfer.status !== 'SUCCEEDED') throw new CommandExit(exitCode.failure);
}

/** The transfer for `--json`. */
export function summaryOf(transfer: TenantTransfer) {
  const { id, kind, status, slug, sourceSlug, fromServer, fromIsolation, toServer, toIsolation, toDatabase, toSchema } =
    transfer;
  const { online, rowsCopied, bytesCopied, pausedMs, error, createdAt, endedAt } = transfer;
  return {
    transfer: id,
    kind,
    status,
    tenant: slug,
    source: sourceSlug ?? null,
    from: fromServer == null ? null : { server: fromServer, isolation: fromIsolation },
    to: { server: toServer, isolation: toIsolation, database: toDatabase, schema: toSchema },
    online,
    rowsCopied,
    bytesCopied,
    pausedMs: pausedMs ?? null,
    error: error ?? null,
    createdAt: createdAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  };
}

function describe(transfer: TenantTransfer): string {
  const { id, kind, status, slug, toServer, toDatabase, toSchema, pausedMs, error, keepHours } = transfer;
  if (status !== 'SUCCEEDED') {
    const why = error == null ? '' : `: ${error}`;
    const left = kind === 'CLONE' || kind === 'IMPORT' ? 'Nothing is left of it' : `${slug} is where it was`;
    return `The transfer is ${status}${why}. ${left}. To start it over: tenantry tenant resume ${id}`;
  }
  const place = `on the server ${toServer}: database ${toDatabase}, schema ${toSchema}`;
  if (kind === 'CLONE') return `Made the tenant ${slug} ${place}`;
  const paused = pausedMs == null ? '' : ` It was paused for ${Math.round(pausedMs)} ms.`;
  const kept = keepHours === 0 ? '' : ` The old place is kept for ${keepHours} h.`;
  return `The tenant ${slug} is now ${place}.${paused}${kept}`;
}

/**
 * Finds the transfer to follow if none is named: the newest one.
 * @throws {AppError} NOT_FOUND if there is none
 */
export async function newestTransfer({ catalog }: Services): Promise<string> {
  const [newest] = await catalog
    .fork()
    .find(TenantTransfer, {}, { orderBy: { createdAt: 'desc', id: 'desc' }, limit: 1 });
  if (newest) return newest.id;
  throw new AppError('NOT_FOUND', 'There is no transfer yet');
}

function howToFollow(id: string): string {
  return `tenantry tenant watch ${id}`;
}
