import type { Catalog } from '../../../catalog/catalog.ts';
import { TenantTransfer } from '../../../catalog/entities/tenant-transfer.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { AppError } from '../../../lib/errors.ts';
import { counted } from '../../../lib/quantities.ts';
import { onSignals } from '../../../lib/signals.ts';
import { followTransfer } from '../../../transfers/events.ts';
import { runTransferHere } from '../../../transfers/run-here.ts';
import { findTransferWait } from '../../../transfers/unclaimed.ts';
import { audited } from '../../audit-command.ts';
import { openApp } from '../../open-app.ts';
import { type CommandContext, CommandExit, exitCode, writeJson } from '../../ui/terminal.ts';
import { describeTransfer, summaryOf } from '../../ui/transfer-summary.ts';
import { createTransferView } from '../../ui/transfer-view.ts';

/** How a command carries out a transfer. */
export interface TransferCommandOptions {
  /** Only start it, and leave it to servers and workers. */
  readonly detach?: true;
  readonly json?: true;
}

/** How often the command checks whether any process works on the transfer, in milliseconds. */
const LOOK_MS = 1_000;
/** How often in a row none does before that is said: another one may be about to take over. */
const LOOKS = 2;

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
  using _waiting = sayIfLeft(catalog, id, (text) => view.note(text));
  try {
    for await (const event of followTransfer(catalog, listener, id, 0, stop.signal)) {
      view.show(event);
    }
  } finally {
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
  else context.stdout.write(`${describeTransfer(transfer)}\n`);
  if (transfer.status !== 'SUCCEEDED') throw new CommandExit(exitCode.failure);
}

/** Says, once for each time, that no process works on a transfer. */
function sayIfLeft(catalog: Catalog, id: string, say: (text: string) => void): Disposable {
  let looks = 0;
  const look = async () => {
    const wait = await findTransferWait(catalog, id);
    looks = wait ? looks + 1 : 0;
    if (!wait || looks !== LOOKS) return;
    say(
      wait.othersInWork > 0
        ? `The transfer waits for its turn: processes work on ${counted(wait.othersInWork, 'other transfer')}.`
        : `No process works on the transfer. Start a server or tenantry worker, or carry it out here: tenantry tenant resume ${id}`,
    );
  };
  // A failure to query the catalog is not worth reporting here.
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * Finds the transfer to follow if none is named: the newest one.
 * @throws {AppError} NOT_FOUND if there is none
 */
export async function newestTransfer({ stderr }: CommandContext, { catalog }: Services): Promise<string> {
  const [newest] = await catalog
    .fork()
    .find(TenantTransfer, {}, { orderBy: { createdAt: 'desc', id: 'desc' }, limit: 1 });
  if (newest) {
    stderr.write(`The newest transfer is ${newest.id} (${newest.kind} of ${newest.slug}, ${newest.status}).\n`);
    return newest.id;
  }
  throw new AppError('NOT_FOUND', 'There is no transfer yet');
}

function howToFollow(id: string): string {
  return `tenantry tenant watch ${id}`;
}
