import type pg from 'pg';
import type { TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { canTake, takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { lockPlace, unlockPlace } from '../servers/place-locks.ts';
import type { ActiveTransfer } from './active-transfer.ts';
import { appendTransferEvent } from './events.ts';

/** The tenant cannot be put into maintenance now, because a checkpoint of it is made or restored. */
export class TenantInMaintenanceError extends Error {
  constructor(slug: string) {
    super(`the tenant ${slug} is in maintenance`);
  }
}

/**
 * Puts the tenant into maintenance and locks its place: requests are refused, and nobody but the owner can read or write it,
 * until the tenant is switched or {@link letGo}. Idempotent.
 * @param pauseMs how long it should take at most, so that requests wait for it; undefined if they should not
 * @throws {TenantInMaintenanceError}
 * @throws {AppError} CONFLICT if the tenant's status no longer allows it
 */
export async function hold(active: ActiveTransfer, pauseMs?: number): Promise<void> {
  const { options, transfer } = active;
  const { from, statusBefore } = transfer;
  if (!from) throw new Error('There is no place to hold');
  if (statusBefore === null)
    active.note({ statusBefore: await active.commit((client) => begin(client, active, pauseMs)) });
  await lockPlace(await options.servers.find(from.server), from, () => active.commit(async () => undefined));
}

async function begin(client: pg.Client, { transfer }: ActiveTransfer, pauseMs: number | undefined): Promise<string> {
  const { id, tenantId, slug } = transfer;
  const { rows } = await client.query<{ status: TenantStatus }>('SELECT status FROM tenants WHERE id = $1 FOR UPDATE', [
    tenantId,
  ]);
  const status = rows[0]?.status;
  if (status === 'MAINTENANCE') throw new TenantInMaintenanceError(slug);
  if (status === undefined || !canTake(tenantSteps.beginMove, status)) {
    throw new AppError('CONFLICT', `The tenant ${slug} is ${status ?? 'gone'}, so it cannot be moved`);
  }
  await client.query('UPDATE tenant_transfers SET status_before = $2 WHERE id = $1', [id, status]);
  const set = `maintained_at = now(), pause_ends_at = now() + make_interval(secs => $2::float8 / 1000)`;
  await client.query(takeStepSql(tenantSteps.beginMove, { where: 't.id = $1', set }), [tenantId, pauseMs ?? null]);
  await appendTransferEvent(client, id, 'PAUSED', pauseMs === undefined ? 'requests are refused' : 'requests wait');
  return status;
}

/**
 * Unlocks the tenant's place and restores the tenant's status. Does nothing if it is not held. Idempotent.
 * @throws what PostgreSQL reports; the tenant stays in maintenance then
 */
export async function letGo(active: ActiveTransfer): Promise<void> {
  const { options, transfer } = active;
  const { from, statusBefore } = transfer;
  if (statusBefore === null || !from) return;
  await unlockPlace(await options.servers.find(from.server), from, () => active.commit(async () => undefined));
  await active.commit(async (client) => {
    await client.query(endMoveSql(''), [transfer.id]);
    await client.query('UPDATE tenant_transfers SET status_before = NULL WHERE id = $1', [transfer.id]);
  });
  active.note({ statusBefore: null });
}

/**
 * Returns SQL that restores a tenant's status; $1 is the transfer's id.
 * @param set further assignments, each with a comma before it
 */
export function endMoveSql(set: string): string {
  return takeStepSql(tenantSteps.endMove, {
    where: 'x.id = $1 AND t.id = x.tenant_id AND x.status_before IS NOT NULL',
    set: `maintained_at = now(), pause_ends_at = NULL${set}`,
    from: 'tenant_transfers x',
  });
}
