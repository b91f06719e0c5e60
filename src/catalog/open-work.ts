import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import type { TransferKind } from './entities/tenant-transfer.entity.ts';
import { openItemStatuses } from './run-status.ts';
import { statusSql } from './steps.ts';

/** SQL that is true while a tenant is moved or restored, so that nothing else may change its database. */
export function isMovingSql(tenantId: string): string {
  return `EXISTS (SELECT FROM tenant_transfers x
    WHERE x.tenant_id = ${tenantId} AND x.ended_at IS NULL AND x.kind IN ('MOVE', 'RESTORE'))`;
}

/** SQL that is true while a transfer makes the tenant. */
export function isBeingMadeSql(tenantId: string): string {
  return `EXISTS (SELECT FROM tenant_transfers x
    WHERE x.tenant_id = ${tenantId} AND x.ended_at IS NULL AND x.kind IN ('CLONE', 'IMPORT'))`;
}

/** What happens to the tenant of a transfer. */
const verbs = {
  MOVE: 'is being moved',
  CLONE: 'is being cloned',
  IMPORT: 'is being imported',
  RESTORE: 'is being restored to a checkpoint',
} as const;

/** What has not finished with a tenant. */
export interface OpenWork {
  readonly transfer: { readonly id: string; readonly kind: TransferKind } | undefined;
  /** The id of a migration run that contains it. */
  readonly run: string | undefined;
}

/**
 * Finds what has not finished with a tenant. The caller holds a lock on the tenant's row, as do those who start a transfer or a
 * run, so that nothing begins meanwhile.
 * @param client a connection to `auth`
 * @param among the kinds of transfers that matter; by default all, also those that clone it
 */
export async function findOpenWork(
  client: pg.Client,
  tenantId: string,
  among: readonly TransferKind[] = ['MOVE', 'CLONE', 'IMPORT', 'RESTORE'],
): Promise<OpenWork> {
  const { rows } = await client.query<{ id: string | null; kind: TransferKind | null; run: string | null }>(
    `SELECT x.id, x.kind,
       (SELECT run_id FROM migration_run_items WHERE tenant_id = $1 AND ${statusSql(openItemStatuses)} LIMIT 1) AS run
     FROM (SELECT) one LEFT JOIN LATERAL (
       SELECT id, kind FROM tenant_transfers
       WHERE ended_at IS NULL AND (tenant_id = $1 OR source_id = $1) AND kind = ANY ($2) ORDER BY created_at LIMIT 1) x ON true`,
    [tenantId, among],
  );
  const [{ id = null, kind = null, run = null } = {}] = rows;
  return { transfer: id === null || kind === null ? undefined : { id, kind }, run: run ?? undefined };
}

/**
 * Checks that no transfer works on a tenant.
 * @throws {AppError} CONFLICT, naming the transfer
 */
export function refuseOpenTransfer({ transfer }: OpenWork, slug: string): void {
  if (!transfer) return;
  throw new AppError('CONFLICT', openTransferText(transfer, slug), { details: { transfer: transfer.id } });
}

/** Says what is done with a tenant, by which transfer, and how to follow or cancel it. */
export function openTransferText({ id, kind }: NonNullable<OpenWork['transfer']>, slug: string): string {
  return `The tenant ${slug} ${verbs[kind]} by the transfer ${id}. Wait for its end with \`tenantry tenant watch ${id}\`, or cancel it with \`tenantry tenant cancel ${id}\` or the mutation cancelTenantTransfer.`;
}

/**
 * Checks that no unfinished run contains a tenant.
 * @throws {AppError} CONFLICT, naming the run
 */
export function refuseOpenRun({ run }: OpenWork, slug: string): void {
  if (run === undefined) return;
  throw new AppError(
    'CONFLICT',
    `The migration run ${run} includes the tenant ${slug} and has not finished. Wait for its end with \`tenantry migrate watch ${run}\`, or cancel it with \`tenantry migrate cancel ${run}\` or the mutation cancelMigrationRun.`,
    { details: { run } },
  );
}
