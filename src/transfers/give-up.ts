import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { takeTransferStepSql, transferSteps } from '../catalog/transfer-status.ts';
import { messageOf } from '../lib/errors.ts';
import { durationText } from '../lib/quantities.ts';
import { dropOldPlaces } from '../tenants/old-places.ts';
import { discard } from '../tenants/remove.ts';
import type { ActiveTransfer } from './active-transfer.ts';
import { appendTransferEvent, wakeTransferWorkers } from './events.ts';
import { letGo } from './hold.ts';
import { dropSlotOf } from './move-online.ts';
import type { TransferOptions } from './options.ts';
import { addOldPlace, LostClaimError } from './store.ts';

/** How a transfer ends without success. */
export interface Outcome {
  readonly outcome: 'FAILED' | 'CANCELLED';
  readonly error: string | null;
}

/** The outcome of a transfer is decided and stored, but could not be carried out yet. */
export class PendingEndError extends Error {
  override readonly name = 'PendingEndError';

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/**
 * Ends a transfer without success. A tenant that moves is served again where it was, with its old status, and a tenant that was
 * to be made is removed, as is everything at the new place. The decision is stored first, so that another process carries it
 * out if this one cannot.
 * @throws {PendingEndError} with what PostgreSQL reports, if the tenant cannot be served again yet
 */
export async function giveUp(active: ActiveTransfer, outcome: Outcome): Promise<void> {
  await active.commit((client) =>
    client.query('UPDATE tenant_transfers SET outcome = $2, error = $3 WHERE id = $1', [
      active.transfer.id,
      outcome.outcome,
      outcome.error,
    ]),
  );
  await carryOut(active, outcome).catch((error: unknown) => {
    throw error instanceof LostClaimError ? error : new PendingEndError(error);
  });
}

async function carryOut(active: ActiveTransfer, { outcome, error }: Outcome): Promise<void> {
  const { options, transfer } = active;
  const { id, tenantId, slug, kind } = transfer;
  await letGo(active);
  if (transfer.online && transfer.from) await dropSlotOf(options, id, transfer.from);
  const isNew = kind === 'CLONE' || kind === 'IMPORT';
  if (isNew) {
    // From here on recovery removes it, if this process cannot.
    await active.commit((client) =>
      client.query(takeStepSql(tenantSteps.discard, { where: 't.id = $1', set: 'claimed_by = $2' }), [
        tenantId,
        options.listener.instance,
      ]),
    );
    // Before the transfer ends, so that whoever sees its end can make another tenant with the slug.
    await removeNew(options, tenantId);
  }
  const { to, hasTarget } = active.transfer;
  await active.commit(async (client) => {
    if (!isNew && hasTarget) await addOldPlace(client, transfer, to, 0);
    const step = outcome === 'FAILED' ? transferSteps.fail : transferSteps.cancel;
    await client.query(
      takeTransferStepSql(step, {
        where: 'x.id = $1',
        set: 'ended_at = now(), outcome = NULL, claimed_by = NULL, claim = NULL, has_target = false, not_before = NULL',
      }),
      [id],
    );
    const now = isNew ? `nothing is left of ${slug}` : `${slug} is unchanged and stays where it is`;
    await appendTransferEvent(client, id, outcome, outcome === 'FAILED' ? (error ?? 'for an unknown reason') : now);
  });
  await dropOldPlaces(options);
}

/** Removes a tenant that was to be made. If that fails, recovery tries again. */
async function removeNew(options: TransferOptions, tenantId: string): Promise<void> {
  const { catalog, log } = options;
  using _working = options.inProgress.begin(tenantId);
  const tenant = await catalog.fork().findOne(Tenant, { id: tenantId });
  if (!tenant) return;
  await discard(options, tenant).catch((err: unknown) =>
    log.error({ err, tenant: tenantId }, 'could not remove what a transfer had made; will try again later'),
  );
}

/**
 * Leaves a transfer to be started over, by this process or another one. Until then the tenant is served where it was, if that is
 * possible.
 * @param delayMs how long to wait before that, in milliseconds
 * @param counts whether the attempt counts; it does not if something else had to be waited for
 * @param next what begins then; by default the next attempt
 */
export async function release(
  active: ActiveTransfer,
  {
    delayMs,
    counts,
    message,
    next = counts ? `attempt ${active.transfer.attempts + 1}` : 'it',
  }: { readonly delayMs: number; readonly counts: boolean; readonly message: string; readonly next?: string },
): Promise<void> {
  const { options, transfer } = active;
  const again =
    delayMs === 0 ? `${next} begins as soon as a process is free` : `${next} begins in ${durationText(delayMs)}`;
  await letGo(active).catch((err: unknown) =>
    options.log.warn({ err, transfer: transfer.id }, 'could not serve a tenant again while its transfer waits'),
  );
  await active.commit(async (client) => {
    await client.query(
      takeTransferStepSql(transferSteps.release, {
        where: 'x.id = $1',
        set: `claimed_by = NULL, claim = NULL, error = $3, attempts = attempts - $4,
          not_before = now() + make_interval(secs => $2::float8 / 1000)`,
      }),
      [transfer.id, delayMs, message, counts ? 0 : 1],
    );
    await appendTransferEvent(client, transfer.id, 'RETRYING', `${message.replace(/\.$/, '')}; ${again}`);
    await wakeTransferWorkers(client, transfer.id);
  });
}
