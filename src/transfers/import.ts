import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { storeCommonStates } from '../catalog/common-states.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { migrationStateRow, saveMigrationStateSql } from '../catalog/migration-states.ts';
import { insertTenantSql, takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { takeTransferStepSql, transferSteps } from '../catalog/transfer-status.ts';
import type { CopyProgress } from '../copying/place.ts';
import { messageOf } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { newPlacement, newTenantKey } from '../routing/placement.ts';
import { chooseServer } from '../servers/choose.ts';
import type { MadePlace } from '../servers/provisioner.ts';
import { type CreateTenantInput, validNames } from '../tenants/create.ts';
import { takenError } from '../tenants/names.ts';
import { ActiveTransfer, TransferCancelledError } from './active-transfer.ts';
import { makeTarget } from './copy-to-target.ts';
import { appendTransferEvent } from './events.ts';
import { giveUp } from './give-up.ts';
import { lockServer } from './insert.ts';
import type { TransferOptions } from './options.ts';
import { type ClaimedTransfer, claimTransfer, enterSwitch, LostClaimError } from './store.ts';

/** A new tenant, with data that only this process has. */
export interface TenantToImport {
  readonly input: CreateTenantInput;
  /** Who imports it, for the record. */
  readonly requestedBy: string | null;
  /** The migrations that it has at first, in the order of application. */
  readonly applied: readonly AppliedMigration[];
  /** Puts rows and files into the tenant, which is not served yet. */
  fill(tenant: Tenant, active: ActiveTransfer): Promise<CopyProgress>;
}

/**
 * Creates a tenant from data that only this process has. No other process can carry out this transfer: if this process dies,
 * another one removes the tenant. At the end the tenant gets the newest migrations and is served. After a failure, nothing is
 * left of it.
 * @param signal cancels it
 * @throws {AppError} SLUG_TAKEN, HOST_TAKEN, BAD_USER_INPUT, or as `chooseServer`; and what `fill` throws
 */
export async function importTenant(
  options: TransferOptions,
  imported: TenantToImport,
  signal: AbortSignal,
): Promise<Tenant> {
  const id = randomUUID();
  using _working = options.underWay.begin(id);
  const active = new ActiveTransfer(options, await insertImport(options, id, imported));
  try {
    return await active.alone(signal, new TransferCancelledError(), () => carryOut(active, imported));
  } catch (thrown) {
    const error: unknown = active.signal.aborted ? active.signal.reason : thrown;
    if (!(error instanceof LostClaimError)) {
      const isCancelled = error instanceof TransferCancelledError;
      const end = {
        outcome: isCancelled ? 'CANCELLED' : 'FAILED',
        error: isCancelled ? null : messageOf(error),
      } as const;
      await giveUp(active, end).catch((err: unknown) =>
        options.log.error({ err, transfer: id }, 'could not end a failed import; another process will'),
      );
    }
    signal.throwIfAborted();
    throw error;
  }
}

async function carryOut(active: ActiveTransfer, { applied, fill }: TenantToImport): Promise<Tenant> {
  const { options, signal } = active;
  await active.begin();
  const { transfer } = active;
  await makeTarget(active, applied);
  const tenant = await options.catalog.fork().findOneOrFail(Tenant, { id: transfer.tenantId });
  await active.copied(await fill(tenant, active));
  signal.throwIfAborted();
  const { provisioner } = await options.servers.find(transfer.to.server);
  // It applies what is newer.
  const made = await provisioner.make(transfer.to);
  signal.throwIfAborted();
  if (!(await active.commit((client) => enterSwitch(client, transfer)))) throw new TransferCancelledError();
  await active.commit((client) => activate(client, transfer, made));
  return options.catalog.fork().findOneOrFail(Tenant, { id: transfer.tenantId });
}

async function activate(client: pg.Client, transfer: ClaimedTransfer, { applied, common }: MadePlace): Promise<void> {
  const { id, tenantId, slug, to } = transfer;
  const state = migrationStateRow(applied);
  await client.query(saveMigrationStateSql, state);
  if (common) await storeCommonStates(client, [{ server: to.server, database: to.database, ...common }]);
  const set = 'claimed_by = NULL, migration_state = $2';
  const { rowCount } = await client.query(takeStepSql(tenantSteps.finish, { where: 't.id = $1', set }), [
    tenantId,
    state[0],
  ]);
  if (rowCount !== 1) throw new Error('The imported tenant was removed');
  await client.query(
    takeTransferStepSql(transferSteps.succeed, {
      where: 'x.id = $1',
      set: 'ended_at = now(), claimed_by = NULL, claim = NULL, has_target = false',
    }),
    [id],
  );
  await appendTransferEvent(client, id, 'SUCCEEDED', `${slug} is imported, and is served`);
}

/** Inserts the tenant and its transfer, which this process has claimed. */
async function insertImport(
  options: TransferOptions,
  id: string,
  { input, requestedBy }: TenantToImport,
): Promise<ClaimedTransfer> {
  const { catalog, listener, defaultIsolation, sharedDatabase } = options;
  const names = validNames(input);
  const key = newTenantKey();
  const isolation = input.isolation ?? defaultIsolation;
  const server = await chooseServer(options, input.server);
  options.servers.get(server)?.requireAdmin();
  const { database, schema } = newPlacement(key, isolation, server, sharedDatabase);
  const row = [id, randomUUID(), names.slug, names.name, names.host, key, isolation, server, database, schema];
  return catalog.use((client) =>
    inTransaction(client, async () => {
      await lockServer(client, server);
      await client.query(
        `INSERT INTO tenant_transfers (kind, id, tenant_id, slug, name, host, to_key, to_isolation, to_server, to_database,
           to_schema, claimed_by, requested_by)
         VALUES ('IMPORT', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
        [...row, listener.instance, requestedBy],
      );
      await client
        .query(
          insertTenantSql(
            'id, slug, name, host, isolation, key, server, database, schema, claimed_by',
            (status) => `VALUES (${status}, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
          ),
          [row[1], names.slug, names.name, names.host, isolation, key, server, database, schema, listener.instance],
        )
        .catch((error: unknown) => {
          throw takenError(error, names) ?? error;
        });
      await appendTransferEvent(client, id, 'CREATED', `import ${names.slug} to the server ${server}`);
      const claimed = await claimTransfer(client, listener.instance, [], id);
      if (!claimed) throw new Error('The new transfer cannot be claimed');
      return claimed;
    }),
  );
}
