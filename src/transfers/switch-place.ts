import type pg from 'pg';
import { forgetCommonState, storeCommonStates } from '../catalog/common-states.ts';
import { migrationStateRow, saveMigrationStateSql } from '../catalog/migration-states.ts';
import { takeTransferStepSql, transferSteps } from '../catalog/transfer-status.ts';
import { forgetUsage } from '../catalog/usage.ts';
import { durationText } from '../lib/quantities.ts';
import { type ActiveTransfer, TransferCancelledError } from './active-transfer.ts';
import type { FinishedCopy } from './copy-to-target.ts';
import { appendTransferEvent } from './events.ts';
import { endMoveSql } from './hold.ts';
import { addOldPlace, enterSwitch } from './store.ts';

/**
 * Switches a tenant that is held to its new place. Before the commit the new place is what is left over, after it the old one.
 * @throws {TransferCancelledError} if somebody has cancelled the transfer in time
 */
export async function switchPlace(active: ActiveTransfer, copy: FinishedCopy): Promise<void> {
  const { transfer } = active;
  if (!(await active.commit((client) => enterSwitch(client, transfer)))) throw new TransferCancelledError();
  await active.commit((client) => commitSwitch(client, active, copy));
  active.note({ statusBefore: null });
}

async function commitSwitch(client: pg.Client, { transfer }: ActiveTransfer, copy: FinishedCopy): Promise<void> {
  const { id, tenantId, from, to, keepHours } = transfer;
  if (!from) throw new Error('There is no old place');
  const state = migrationStateRow(copy.applied);
  await client.query(saveMigrationStateSql, state);
  const { rows } = await client.query<{ slug: string; pausedMs: number }>(
    `WITH before AS (SELECT maintained_at AS since FROM tenants WHERE id = (SELECT tenant_id FROM tenant_transfers WHERE id = $1)),
       switched AS (${endMoveSql(
         `, key = $2, isolation = $3, server = $4, database = $5, schema = $6, migration_state = $7, migration_state_seen_at = $8`,
       )} RETURNING t.slug)
     SELECT slug, extract(epoch FROM clock_timestamp() - since)::float8 * 1000 AS "pausedMs" FROM switched, before`,
    [id, to.key, to.isolation, to.server, to.database, to.schema, state[0], copy.observedAt],
  );
  const [row] = rows;
  if (!row) throw new Error('The tenant is not held by its transfer');
  await client.query(
    takeTransferStepSql(transferSteps.succeed, {
      where: 'x.id = $1',
      set: 'ended_at = now(), paused_ms = $2, claimed_by = NULL, claim = NULL, status_before = NULL, has_target = false',
    }),
    [id, row.pausedMs],
  );
  await forgetUsage(client, tenantId);
  await addOldPlace(client, transfer, from, keepHours);
  if (from.isolation === 'DATABASE') await forgetCommonState(client, from.server, from.database);
  if (copy.common) await storeCommonStates(client, [{ server: to.server, database: to.database, ...copy.common }]);
  const kept = keepHours === 0 ? 'the old place is dropped' : `the old place is kept for ${keepHours} h`;
  await appendTransferEvent(
    client,
    id,
    'SUCCEEDED',
    `${row.slug} is served from the server ${to.server}; it was paused for ${durationText(row.pausedMs)}; ${kept}`,
  );
}
