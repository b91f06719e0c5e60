import type pg from 'pg';
import type { TransferKind } from '../catalog/entities/tenant-transfer.entity.ts';
import { takeTransferStepSql, transferSteps } from '../catalog/transfer-status.ts';
import type { CopyProgress } from '../copying/place.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import type { TenantPlacement } from '../servers/provisioner.ts';
import { appendTransferEvent } from './events.ts';

/** A transfer that this process has claimed. */
export interface ClaimedTransfer {
  readonly id: string;
  /** Identifies the claim. A process that has lost it must not change the transfer. */
  readonly claim: string;
  readonly kind: TransferKind;
  readonly tenantId: string;
  readonly slug: string;
  readonly sourceId: string | null;
  readonly sourceSlug: string | null;
  readonly checkpointId: string | null;
  readonly online: boolean;
  readonly keepHours: number;
  readonly neutralize: boolean;
  /** How often it was claimed, with this claim. */
  readonly attempts: number;
  /** While it keeps the tenant in maintenance: the status that the tenant gets back. */
  readonly statusBefore: string | null;
  readonly hasTarget: boolean;
  readonly outcome: 'FAILED' | 'CANCELLED' | null;
  readonly error: string | null;
  readonly isCancelRequested: boolean;
  /** Undefined for an import. */
  readonly from: TenantPlacement | undefined;
  readonly to: TenantPlacement;
  /** The node of a Citus cluster to which the tables move, while the place stays the same. */
  readonly toNode: string | null;
}

/** Another process has taken over a transfer, because it considered this one dead. */
export class LostClaimError extends Error {
  constructor() {
    super('another process has taken over the transfer');
  }
}

/** SQL for a place as JSON. */
function placeSql(prefix: 'from' | 'to'): string {
  const fields = ['key', 'isolation', 'server', 'database', 'schema'].map((name) => `'${name}', ${prefix}_${name}`);
  return `json_build_object(${fields.join(', ')})::text AS "${prefix}"`;
}

const claimedColumns = `id, claim, kind, tenant_id AS "tenantId", slug, source_id AS "sourceId", source_slug AS "sourceSlug",
  checkpoint_id AS "checkpointId", online, keep_hours AS "keepHours", neutralize, attempts, status_before AS "statusBefore",
  has_target AS "hasTarget", outcome, error, cancel_requested AS "isCancelRequested", to_node AS "toNode", ${placeSql('from')}, ${placeSql('to')}`;

type ClaimedRow = Omit<ClaimedTransfer, 'from' | 'to'> & { readonly from: string; readonly to: string };

/**
 * Claims the oldest transfer that no living process works on. The commit does not wait for the disk: a claim that a crash of
 * PostgreSQL has lost can no longer be used, and what follows it is not on the disk before it. Its status stays until work on it begins.
 * @param held the transfers that this process works on; others with its number are those whose claim it does not know of
 * @param only a transfer, if no other one is to be claimed
 */
export async function claimTransfer(
  client: pg.Client,
  instance: number,
  held: readonly string[],
  only?: string,
): Promise<ClaimedTransfer | undefined> {
  const { rows } = await client.query<ClaimedRow>(
    `UPDATE tenant_transfers SET claimed_by = $1, claim = gen_random_uuid(), not_before = NULL, attempts = attempts + 1
     WHERE set_config('synchronous_commit', 'off', true) IS NOT NULL AND id = (
       SELECT id FROM tenant_transfers
       WHERE ended_at IS NULL AND (not_before IS NULL OR not_before <= now()) AND id <> ALL ($2::uuid[])
         AND ($3::uuid IS NULL OR id = $3) AND (claimed_by IS NULL OR claimed_by = $1 OR NOT ${isAliveSql('claimed_by')})
       ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING ${claimedColumns}`,
    [instance, held, only ?? null],
  );
  const [row] = rows;
  return row && toClaimed(row);
}

function toClaimed({ from, to, ...row }: ClaimedRow): ClaimedTransfer {
  // The database has built both.
  const [source, target] = [from, to].map((text) => JSON.parse(text) as TenantPlacement);
  if (!target) throw new Error('A transfer has no target');
  return { ...row, from: source?.key == null ? undefined : source, to: target };
}

/**
 * Locks the transfer's row, and checks that this process has not lost its claim.
 * @param client a connection to `auth`, in a transaction
 * @throws {LostClaimError}
 */
export async function lockClaim(
  client: pg.Client,
  { id, claim }: Pick<ClaimedTransfer, 'id' | 'claim'>,
): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM tenant_transfers WHERE id = $1 AND claim = $2 FOR UPDATE', [
    id,
    claim,
  ]);
  if (rowCount === 0) throw new LostClaimError();
}

/** Stores how far the copy is. @returns whether somebody has cancelled the transfer @throws {LostClaimError} */
export async function storeProgress(
  client: pg.Client,
  { id, claim }: ClaimedTransfer,
  progress: CopyProgress | undefined,
): Promise<boolean> {
  const { rows } = await client.query<{ cancel: boolean }>(
    `UPDATE tenant_transfers SET rows_copied = coalesce($3, rows_copied), rows_total = coalesce($4, rows_total),
       bytes_copied = coalesce($5, bytes_copied)
     WHERE id = $1 AND claim = $2 RETURNING cancel_requested AS cancel`,
    [
      id,
      claim,
      progress?.rowsCopied,
      progress && Math.max(progress.rowsTotal, progress.rowsCopied),
      progress?.bytesCopied,
    ],
  );
  const [row] = rows;
  if (!row) throw new LostClaimError();
  return row.cancel;
}

/**
 * Enters the switch, from which on the transfer cannot be cancelled.
 * @param client a connection to `auth`, in a transaction
 * @returns false if somebody has cancelled it
 */
export async function enterSwitch(client: pg.Client, transfer: ClaimedTransfer): Promise<boolean> {
  await lockClaim(client, transfer);
  const { rowCount } = await client.query(
    takeTransferStepSql(transferSteps.enterSwitch, { where: 'x.id = $1 AND NOT x.cancel_requested' }),
    [transfer.id],
  );
  if (rowCount === 0) return false;
  const { server, database, schema } = transfer.to;
  await appendTransferEvent(
    client,
    transfer.id,
    'SWITCHING',
    `to the database ${database}, schema ${schema}, on the server ${server}`,
  );
  return true;
}

/** Stores a place that no tenant uses, so that it is dropped. */
export async function addOldPlace(
  client: pg.Client,
  { id, tenantId, slug }: Pick<ClaimedTransfer, 'id' | 'tenantId' | 'slug'>,
  { key, isolation, server, database, schema }: TenantPlacement,
  keepHours: number,
): Promise<void> {
  await client.query(
    `INSERT INTO old_places (transfer_id, tenant_id, slug, key, isolation, server, database, schema, drop_after)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(hours => $9))`,
    [id, tenantId, slug, key, isolation, server, database, schema, keepHours],
  );
}
