import type pg from 'pg';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import type { TransferKind, TransferStatus } from '../catalog/entities/tenant-transfer.entity.ts';
import { findOpenWork, refuseOpenRun, refuseOpenTransfer } from '../catalog/open-work.ts';
import { statusSql } from '../catalog/steps.ts';
import { tenantSteps } from '../catalog/tenant-status.ts';
import {
  canCancelTransfer,
  canResumeTransfer,
  hasTransferEnded,
  takeTransferStepSql,
  transferSteps,
} from '../catalog/transfer-status.ts';
import { AppError } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { sayIfDeleted } from '../tenants/bin.ts';
import { insertClone } from './clones/row.ts';
import { appendTransferEvent, wakeTransferWorkers } from './events.ts';
import type { TransferOptions } from './options.ts';

interface LockedTransfer {
  readonly kind: TransferKind;
  readonly status: TransferStatus;
  readonly tenantId: string;
  readonly slug: string;
  /** Of a clone; null if it has none. */
  readonly host: string | null;
  /** No process works on it, and nothing of the tenant is changed yet. */
  readonly isUntouched: boolean;
}

/**
 * Cancels a transfer before its switch. One that no process has begun ends at once, any other as soon as its tenant is served
 * again where it was.
 * @throws {AppError} NOT_FOUND; CONFLICT if it has ended, or is past the point of no return
 */
export async function cancelTransfer({ catalog }: TransferOptions, id: string): Promise<void> {
  await catalog.use((client) =>
    inTransaction(client, async () => {
      const { status, kind, tenantId, isUntouched } = await lockTransfer(client, id);
      if (hasTransferEnded(status)) throw new AppError('CONFLICT', `The transfer has already ended: it is ${status}.`);
      if (!canCancelTransfer(status)) {
        throw new AppError(
          'CONFLICT',
          `The transfer is ${status}: it is past the point of no return, and ends in a moment.`,
        );
      }
      if (!isUntouched) {
        await client.query('UPDATE tenant_transfers SET cancel_requested = true, not_before = NULL WHERE id = $1', [
          id,
        ]);
        await appendTransferEvent(client, id, 'CANCEL_REQUESTED', 'it ends as soon as what it did is undone');
        await wakeTransferWorkers(client, id);
        return;
      }
      await client.query(takeTransferStepSql(transferSteps.cancel, { where: 'x.id = $1', set: 'ended_at = now()' }), [
        id,
      ]);
      await appendTransferEvent(client, id, 'CANCELLED', 'nothing had been done yet');
      // Nothing of the clone exists but its row.
      if (kind === 'CLONE')
        await client.query(`DELETE FROM tenants WHERE id = $1 AND ${statusSql(tenantSteps.discard.from)}`, [tenantId]);
    }),
  );
}

/**
 * Starts a failed or cancelled transfer over.
 * @throws {AppError} NOT_FOUND; CONFLICT if it has not ended, has succeeded, or its tenant is not where it was; SLUG_TAKEN or
 *   HOST_TAKEN if another tenant has the name of a clone now
 */
export async function resumeTransfer({ catalog }: TransferOptions, id: string): Promise<void> {
  let clone: Pick<LockedTransfer, 'slug' | 'host'> | undefined;
  const resuming = catalog.use((client) =>
    inTransaction(client, async () => {
      const locked = await lockTransfer(client, id);
      const { status, kind, tenantId, slug } = locked;
      if (!hasTransferEnded(status)) {
        throw new AppError(
          'CONFLICT',
          `The transfer is ${status}. You can resume it after it has failed or been cancelled.`,
        );
      }
      if (!canResumeTransfer(status))
        throw new AppError('CONFLICT', 'The transfer has succeeded, so nothing is left to do.');
      if (kind === 'IMPORT') {
        throw new AppError(
          'CONFLICT',
          'An import cannot be resumed, because it needs its archive. Run tenantry tenant import again.',
        );
      }
      if (kind === 'CLONE') {
        clone = locked;
        await insertClone(client, id);
      } else await checkStillThere(client, { transfer: id, id: tenantId, slug });
      await client.query(
        takeTransferStepSql(transferSteps.resume, {
          where: 'x.id = $1',
          set: `ended_at = NULL, error = NULL, cancel_requested = false, attempts = 0, not_before = NULL, rows_copied = 0,
            rows_total = NULL, bytes_copied = 0, paused_ms = NULL`,
        }),
        [id],
      );
      await appendTransferEvent(client, id, 'RESUMED', 'it starts over');
      await wakeTransferWorkers(client, id);
    }),
  );
  await resuming.catch(async (error: unknown) => {
    throw error instanceof AppError && clone ? await sayIfDeleted(catalog, error, clone) : error;
  });
}

/** A tenant that has moved since would be moved from a place that it has left. */
async function checkStillThere(
  client: pg.Client,
  { transfer, id, slug }: { readonly transfer: string; readonly id: string; readonly slug: string },
): Promise<void> {
  const { rows } = await client.query<Pick<Tenant, 'slug'> & { readonly isThere: boolean }>(
    `SELECT t.slug, t.key = x.from_key AS "isThere" FROM tenants t, tenant_transfers x WHERE t.id = $1 AND x.id = $2 FOR UPDATE OF t`,
    [id, transfer],
  );
  const [row] = rows;
  if (!row) throw new AppError('CONFLICT', `The tenant ${slug} has been deleted since.`);
  const work = await findOpenWork(client, id);
  refuseOpenTransfer(work, row.slug);
  refuseOpenRun(work, row.slug);
  if (!row.isThere) throw new AppError('CONFLICT', `The tenant ${row.slug} has moved since. Start a new transfer.`);
}

async function lockTransfer(client: pg.Client, id: string): Promise<LockedTransfer> {
  const { rows } = await client.query<LockedTransfer>(
    `SELECT kind, status, tenant_id AS "tenantId", slug, host,
       claimed_by IS NULL AND status_before IS NULL AND NOT has_target AND outcome IS NULL AS "isUntouched"
     FROM tenant_transfers WHERE id = $1 FOR UPDATE`,
    [id],
  );
  const [row] = rows;
  if (!row) throw new AppError('NOT_FOUND', `There is no transfer ${id}`);
  return row;
}
