import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import type { TransferKind } from './entities/tenant-transfer.entity.ts';

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

const verbs = { MOVE: 'moves', CLONE: 'clones', IMPORT: 'imports', RESTORE: 'restores a checkpoint of' } as const;

/**
 * Checks that no transfer works on a tenant or clones it. The caller holds a lock on the tenant's row, as do those who start a
 * transfer.
 * @param client a connection to `auth`
 * @param among the kinds of transfers that matter; by default all
 * @throws {AppError} CONFLICT, naming the transfer
 */
export async function refuseOpenTransfer(
  client: pg.Client,
  { id, slug }: { readonly id: string; readonly slug: string },
  among: readonly TransferKind[] = ['MOVE', 'CLONE', 'IMPORT', 'RESTORE'],
): Promise<void> {
  const { rows } = await client.query<{ id: string; kind: TransferKind }>(
    `SELECT id, kind FROM tenant_transfers
     WHERE ended_at IS NULL AND (tenant_id = $1 OR source_id = $1) AND kind = ANY ($2) ORDER BY created_at LIMIT 1`,
    [id, among],
  );
  const [open] = rows;
  if (!open) return;
  throw new AppError(
    'CONFLICT',
    `The transfer ${open.id} ${verbs[open.kind]} the tenant ${slug} and has not finished. Wait for its end, or cancel it with cancelTenantTransfer.`,
    { details: { transfer: open.id } },
  );
}
