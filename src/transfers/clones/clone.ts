import type pg from 'pg';
import { storeCommonStates } from '../../catalog/common-states.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { migrationStateRow, saveMigrationStateSql } from '../../catalog/migration-states.ts';
import { takeStepSql, tenantSteps } from '../../catalog/tenant-status.ts';
import { takeTransferStepSql, transferSteps } from '../../catalog/transfer-status.ts';
import { together } from '../../copying/together.ts';
import type { TenantFiles } from '../../tenants/tenant-files.ts';
import { type ActiveTransfer, TransferCancelledError } from '../active-transfer.ts';
import { copyToTarget, type FinishedCopy, withRoomFor } from '../copy-to-target.ts';
import { appendTransferEvent } from '../events.ts';
import { findSource, type TransferSource, withOpenSource } from '../source.ts';
import { enterSwitch } from '../store.ts';
import { canCloneByTemplate, cloneByTemplate, prepareTemplateClone } from './by-template.ts';

/** Makes a tenant that is a clone of another one or of its checkpoint, while the other one is served. */
export async function cloneTenant(active: ActiveTransfer): Promise<void> {
  const { options, signal, transfer } = active;
  const source = await beginClone(active);
  // Nobody can mask what is in files, so a neutralized clone has none. A file that the source has deleted since its rows were copied
  // is missing in any clone.
  const files = transfer.sourceId === null || transfer.neutralize ? [] : await options.files();
  const isLast = !transfer.neutralize && files.length === 0;
  const made = await copySource(active, source, isLast);
  if (made.isServed) return;
  signal.throwIfAborted();
  if (transfer.neutralize) {
    const tenant = await options.catalog.fork().findOneOrFail(Tenant, { id: transfer.tenantId });
    await options.neutralize(tenant);
    await active.report('NEUTRALIZED', 'with the code of the modules');
  }
  if (transfer.sourceId !== null) await copyFiles(active, transfer.sourceId, files);
  signal.throwIfAborted();
  await active.commit((client) => activate(client, active, made));
}

interface ClonedSource extends TransferSource {
  /** The size of a database that may be copied by template, in bytes; undefined for others. */
  readonly bytes: number | undefined;
}

/** Begins an attempt and prepares a copy by template. The first attempt does both at once, since its place is known already. */
async function beginClone(active: ActiveTransfer): Promise<ClonedSource> {
  const source = await findSource(active);
  if (!canCloneByTemplate(active, source)) {
    await active.begin();
    return { ...source, bytes: undefined };
  }
  if (active.transfer.hasTarget) {
    await active.begin();
    return { ...source, bytes: await prepareTemplateClone(active, source) };
  }
  const [bytes] = await together<number | undefined>(active.signal, [
    () => prepareTemplateClone(active, source),
    () => active.begin().then(() => undefined),
  ]);
  return { ...source, bytes };
}

interface MadeClone {
  /** Undefined if the catalog knows its migrations already. */
  readonly copy: FinishedCopy | undefined;
  readonly pausedMs: number;
  readonly isServed: boolean;
}

/** @param isLast whether nothing but the switch follows, which is then stored together with a copy by template */
async function copySource(
  active: ActiveTransfer,
  { bytes, ...source }: ClonedSource,
  isLast: boolean,
): Promise<MadeClone> {
  const after = async (client: pg.Client, pausedMs: number) => {
    if (isLast) await activate(client, active, { copy: undefined, pausedMs });
  };
  const pausedMs = bytes === undefined ? undefined : await cloneByTemplate(active, source, bytes, after);
  if (pausedMs !== undefined) return { copy: undefined, pausedMs, isServed: isLast };
  const copy = await withRoomFor(active, source, (parallel) =>
    withOpenSource(active, source, () => copyToTarget(active, source, parallel)),
  );
  return { copy, pausedMs: 0, isServed: false };
}

async function copyFiles(active: ActiveTransfer, sourceId: string, all: readonly TenantFiles[]): Promise<void> {
  if (all.length === 0) return;
  for (const files of all) {
    active.signal.throwIfAborted();
    await files.copyAll(sourceId, active.transfer.tenantId);
  }
  await active.report('FILES_COPIED', `of ${all.map(({ kind }) => kind).join(', ')}`);
}

/**
 * Activates the clone.
 * @param client a connection to `auth`, in a transaction
 * @throws {TransferCancelledError}
 */
async function activate(
  client: pg.Client,
  { transfer }: ActiveTransfer,
  { copy, pausedMs }: Pick<MadeClone, 'copy' | 'pausedMs'>,
): Promise<void> {
  if (!(await enterSwitch(client, transfer))) throw new TransferCancelledError();
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
