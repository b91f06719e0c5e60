import { setTimeout as sleep } from 'node:timers/promises';
import { takeTransferStepSql, transferSteps } from '../catalog/transfer-status.ts';
import type { SourcePlace } from '../copying/place.ts';
import { placeOn } from '../copying/place-on.ts';
import { Follower } from '../copying/replication/follower.ts';
import {
  endOnlineCopy,
  hasOnlineCopy,
  type OnlineCopyOptions,
  startOnlineCopy,
} from '../copying/replication/online-copy.ts';
import { slotName } from '../copying/replication/slot.ts';
import { AppError } from '../lib/errors.ts';
import { durationText } from '../lib/quantities.ts';
import { serverNamed } from '../postgres/server.ts';
import { isRefusedDatabase } from '../postgres/sql/error-codes.ts';
import { closePlace } from '../servers/place-locks.ts';
import type { MadePlace, TenantPlacement } from '../servers/provisioner.ts';
import { dropOldPlaces } from '../tenants/old-places.ts';
import type { ActiveTransfer } from './active-transfer.ts';
import { makeTarget, readClock, readSource, targetOf } from './copy-to-target.ts';
import { appendTransferEvent } from './events.ts';
import { hold, letGo } from './hold.ts';
import type { TransferOptions } from './options.ts';
import { switchPlace } from './switch-place.ts';

/** How much of its log a server may keep for a move, in bytes. */
const MAX_KEPT_BYTES = 16 * 1024 ** 3;
/** How far the target may be behind when the tenant is paused, in milliseconds. */
const SMALL_LAG_MS = 250;
/** How long applying the rest may take while the tenant is paused, in milliseconds. */
const FINISH_MS = 3_000;
/** How often the tenant is paused at most, and how long it is served in between, in milliseconds. */
const PAUSES = 5;
const BETWEEN_PAUSES_MS = 3_000;
/** How long a pause usually takes at most, so that requests wait for its end, in milliseconds. */
const PAUSE_MS = 2_000;

/**
 * Moves a tenant to another place while it is served: copies it, applies what is written meanwhile, and pauses it only for the
 * rest. After an interruption it goes on where it was once the copy is complete.
 * @param parallel the number of tables that are copied at the same time; see `withRoomFor`
 */
export async function moveOnline(active: ActiveTransfer, from: TenantPlacement, parallel: number): Promise<void> {
  const { options, signal } = active;
  const slot = slotName(active.transfer.id);
  const source = sourceOf(options, from);
  // An earlier process may have ended while the tenant was paused.
  await letGo(active);
  const made = await copyOnline(active, source, { slot, parallel });
  const to = targetOf(active);
  const observedAt = await readClock(to);
  const following = new AbortController();
  const follower = new Follower({
    slot,
    from: source,
    to,
    maxKeptBytes: MAX_KEPT_BYTES,
    onRetry: (err) => options.log.warn({ err, transfer: active.transfer.id }, 'will connect again to follow a tenant'),
  });
  const running = follower.run(AbortSignal.any([signal, following.signal]));
  running.catch(() => undefined);
  try {
    await pauseAndFinish(active, follower);
    await running;
  } finally {
    following.abort(new Error('The move goes on without it'));
  }
  // Before the switch, so that nothing can be left at a place that the tenant has left.
  await endOnlineCopy(source, slot);
  // From here on nobody can write to the old place, not even a process that does not know of the move.
  await closePlace(await options.servers.find(from.server), from);
  await switchPlace(active, { ...made, observedAt });
  if (active.transfer.keepHours === 0) await dropOldPlaces(options);
}

/** Drops the slot and publication of a move, if it has any. */
export async function dropSlotOf(options: TransferOptions, id: string, from: TenantPlacement): Promise<void> {
  await endOnlineCopy(sourceOf(options, from), slotName(id));
}

function sourceOf({ servers }: Pick<TransferOptions, 'servers'>, from: TenantPlacement): SourcePlace {
  return placeOn(serverNamed(servers, from.server), from);
}

/** Copies the tenant, unless an earlier attempt has done so, and enters CATCHING_UP. */
async function copyOnline(
  active: ActiveTransfer,
  source: SourcePlace,
  { slot, parallel }: Pick<OnlineCopyOptions, 'slot' | 'parallel'>,
): Promise<MadePlace> {
  const { signal, transfer } = active;
  const isThere =
    transfer.hasTarget && (await isCopied(() => hasOnlineCopy({ slot, from: source, to: targetOf(active), signal })));
  if (!isThere) await active.begin();
  const { applied } = await readSource(active, source);
  signal.throwIfAborted();
  const made = await makeTarget(active, applied);
  if (!isThere) {
    const progress = await startOnlineCopy({
      slot,
      from: source,
      to: targetOf(active),
      parallel,
      maxKeptBytes: MAX_KEPT_BYTES,
      onProgress: (now) => active.progress(now),
      signal,
    });
    if (progress) await active.copied(progress);
  }
  await active.commit(async (client) => {
    await client.query(takeTransferStepSql(transferSteps.catchUp, { where: 'x.id = $1' }), [transfer.id]);
    await appendTransferEvent(
      client,
      transfer.id,
      'CATCHING_UP',
      isThere ? 'goes on with the copy of an earlier attempt' : 'applies what was written during the copy',
    );
  });
  return made;
}

/** The database of the target may be gone. */
async function isCopied(look: () => Promise<boolean>): Promise<boolean> {
  try {
    return await look();
  } catch (error) {
    if (isRefusedDatabase(error)) return false;
    throw error;
  }
}

/** Waits until little is left, and pauses the tenant while that is applied. If it takes too long, the tenant is served in between. */
async function pauseAndFinish(active: ActiveTransfer, follower: Follower): Promise<void> {
  const { signal } = active;
  for (let pause = 1; pause <= PAUSES; pause += 1) {
    while ((await follower.lag(signal)) > SMALL_LAG_MS);
    await hold(active, PAUSE_MS);
    if (await follower.finish(FINISH_MS, signal)) return;
    await letGo(active);
    await active.report(
      'CATCHING_UP',
      `the rest was not applied within ${durationText(FINISH_MS)}; the tenant is served again`,
    );
    await sleep(BETWEEN_PAUSES_MS, undefined, { signal });
  }
  throw new AppError(
    'CONFLICT',
    `The last changes of the tenant could not be applied within ${durationText(FINISH_MS)}, in ${PAUSES} attempts. Move it at a quieter time, or offline: without \`--online\` or with online: false.`,
  );
}
