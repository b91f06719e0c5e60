import type pg from 'pg';
import { storeCommonStates } from '../../catalog/common-states.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { migrationStateRow, saveMigrationStateSql } from '../../catalog/migration-states.ts';
import { takeStepSql, tenantSteps } from '../../catalog/tenant-status.ts';
import { takeTransferStepSql, transferSteps } from '../../catalog/transfer-status.ts';
import { type ActiveTransfer, TransferCancelledError } from '../active-transfer.ts';
import { copyToTarget, type FinishedCopy } from '../copy-to-target.ts';
import { appendTransferEvent } from '../events.ts';
import { findSource, type TransferSource, withOpenSource } from '../source.ts';
import { enterSwitch } from '../store.ts';
import { canCloneByTemplate, cloneByTemplate } from './by-template.ts';

/** Makes a tenant that is a clone of another one or of its checkpoint, while the other one is served. */
export async function cloneTenant(active: ActiveTransfer): Promise<void> {
  const { options, signal } = active;
  await active.begin();
  const source = await findSource(active);
  const made = await copySource(active, source);
  signal.throwIfAborted();
  const { transfer } = active;
  if (transfer.neutralize) {
    const tenant = await options.catalog.fork().findOneOrFail(Tenant, { id: transfer.tenantId });
    await options.neutralize(tenant);
    await active.report('NEUTRALIZED', 'with the code of the modules');
  }
  // A file that the source has deleted since its rows were copied is missing in the clone.
  if (transfer.sourceId !== null) await copyFiles(active, transfer.sourceId);
  signal.throwIfAborted();
  const isServed = await active.commit(async (client) => {
    if (!(await enterSwitch(client, transfer))) return false;
    await activate(client, active, made);
    return true;
  });
  if (!isServed) throw new TransferCancelledError();
}

interface MadeClone {
  /** Undefined if the catalog knows its migrations already. */
  readonly copy: FinishedCopy | undefined;
  readonly pausedMs: number;
}

async function copySource(active: ActiveTransfer, source: TransferSource): Promise<MadeClone> {
  const pausedMs = canCloneByTemplate(active, source) ? await cloneByTemplate(active, source) : undefined;
  if (pausedMs !== undefined) return { copy: undefined, pausedMs };
  return { copy: await withOpenSource(active, source, () => copyToTarget(active, source)), pausedMs: 0 };
}

async function copyFiles(active: ActiveTransfer, sourceId: string): Promise<void> {
  const all = await active.options.files();
  if (all.length === 0) return;
  for (const files of all) {
    active.signal.throwIfAborted();
    await files.copyAll(sourceId, active.transfer.tenantId);
  }
  await active.report('FILES_COPIED', `of ${all.map(({ kind }) => kind).join(', ')}`);
}

async function activate(client: pg.Client, { transfer }: ActiveTransfer, { copy, pausedMs }: MadeClone): Promise<void> {
  const { id, tenantId, slug, sourceSlug, to } = transfer;
  if (copy) {
    const state = migrationStateRow(copy.applied);
    await client.query(saveMigrationStateSql, state);
    await client.query('UPDATE tenants SET migration_state = $2, migration_state_seen_at = $3 WHERE id = $1', [
      tenantId,
      state[0],
      copy.observedAt,
    ]);
    if (copy.common) await storeCommonStates(client, [{ server: to.server, database: to.database, ...copy.common }]);
  }
  const { rowCount } = await client.query(
    takeStepSql(tenantSteps.finish, { where: 't.id = $1', set: 'claimed_by = NULL' }),
    [tenantId],
  );
  if (rowCount === 0) throw new Error('The row of the clone is gone');
  await client.query(
    takeTransferStepSql(transferSteps.succeed, {
      where: 'x.id = $1',
      set: 'ended_at = now(), paused_ms = $2, claimed_by = NULL, claim = NULL, has_target = false',
    }),
    [id, pausedMs],
  );
  await appendTransferEvent(client, id, 'SUCCEEDED', `${slug} is a clone of ${sourceSlug}, and is served`);
}
