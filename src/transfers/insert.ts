import type pg from 'pg';
import type { Tenant, TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { findOpenWork, refuseOpenRun, refuseOpenTransfer } from '../catalog/open-work.ts';
import { canTake, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { TenantPlacement } from '../servers/provisioner.ts';
import { statusRefusal } from '../tenants/suspend.ts';
import { appendTransferEvent, wakeTransferWorkers } from './events.ts';
import type { TransferOptions } from './options.ts';

/** A transfer of a tenant that exists, to insert. */
export interface NewTransfer {
  readonly kind: 'MOVE' | 'RESTORE';
  readonly tenant: Pick<Tenant, 'id' | 'slug' | 'key'>;
  readonly to: TenantPlacement;
  readonly online: boolean;
  readonly keepHours: number;
  readonly requestedBy: string | null;
  readonly checkpointId?: string;
  /** The nodes of a Citus cluster between which the tables move, while the place stays the same. */
  readonly nodes?: { readonly from: string; readonly to: string };
}

/**
 * Inserts a transfer that changes the place of a tenant.
 * @returns its id
 * @throws {AppError} CONFLICT if the tenant's status does not allow it, or another transfer or an unfinished run contains it
 */
export function insertTransfer({ catalog }: TransferOptions, transfer: NewTransfer): Promise<string> {
  return catalog.use((client) =>
    inTransaction(client, async () => {
      await lockServer(client, transfer.to.server);
      await lockMovable(client, transfer.tenant);
      const { kind, tenant, to, online, keepHours, requestedBy, checkpointId, nodes } = transfer;
      const { rows } = await client.query<{ id: string }>(
        `INSERT INTO tenant_transfers (kind, tenant_id, slug, online, keep_hours, requested_by, checkpoint_id,
           to_key, to_isolation, to_server, to_database, to_schema,
           from_node, to_node, from_key, from_isolation, from_server, from_database, from_schema)
         SELECT $1, id, slug, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, key, isolation, server, database, schema
         FROM tenants WHERE id = $2 RETURNING id`,
        [
          kind,
          tenant.id,
          online,
          keepHours,
          requestedBy,
          checkpointId ?? null,
          to.key,
          to.isolation,
          to.server,
          to.database,
          to.schema,
          nodes?.from ?? null,
          nodes?.to ?? null,
        ],
      );
      const id = rows[0]?.id;
      if (id === undefined) throw new Error('The new transfer was not returned');
      const verb = kind === 'MOVE' ? 'move' : 'restore a checkpoint of';
      const place = nodes ? `the node ${nodes.to}` : to.isolation === 'DATABASE' ? 'a database' : 'a schema';
      await appendTransferEvent(client, id, 'CREATED', `${verb} ${tenant.slug} to ${place} on the server ${to.server}`);
      await wakeTransferWorkers(client, id);
      return id;
    }),
  );
}

/** Locks the tenant's row: deleting it, starting a run with it and starting its maintenance lock the same row. */
async function lockMovable(client: pg.Client, { id, slug, key }: NewTransfer['tenant']): Promise<void> {
  const { rows } = await client.query<{ slug: string; status: TenantStatus; key: string }>(
    'SELECT slug, status, key FROM tenants WHERE id = $1 FOR UPDATE',
    [id],
  );
  const [row] = rows;
  const work = await findOpenWork(client, id);
  if (row) refuseOpenTransfer(work, row.slug);
  if (!row || !canTake(tenantSteps.beginMove, row.status)) throw statusRefusal(row, slug);
  if (row.key !== key) throw new AppError('CONFLICT', `The tenant ${slug} has just moved. Try again.`);
  refuseOpenRun(work, slug);
}

/** Removing the server locks the same row. */
export async function lockServer(client: pg.Client, name: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM servers WHERE name = $1 FOR KEY SHARE', [name]);
  if (rowCount === 0) throw new AppError('NOT_FOUND', `There is no server ${name}`);
}
