import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Checkpoint } from '../../catalog/entities/checkpoint.entity.ts';
import { FIRST_SERVER } from '../../catalog/entities/database-server.entity.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import type { Isolation, Tenant, TenantStatus } from '../../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../../catalog/find-tenants.ts';
import { findOpenWork, refuseOpenTransfer } from '../../catalog/open-work.ts';
import { canTake, tenantSteps } from '../../catalog/tenant-status.ts';
import { findCheckpoint } from '../../checkpoints/checkpoints.ts';
import { AppError, badInput } from '../../lib/errors.ts';
import { planUp } from '../../migrator/files/plan.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { newPlacement, newTenantKey } from '../../routing/placement.ts';
import { chooseServer } from '../../servers/choose.ts';
import { sayIfDeleted } from '../../tenants/bin.ts';
import { validNames } from '../../tenants/create.ts';
import { refusalNow, statusRefusal } from '../../tenants/suspend.ts';
import { appendTransferEvent, wakeTransferWorkers } from '../events.ts';
import { lockServer } from '../insert.ts';
import type { TransferOptions } from '../options.ts';
import { checkMigrations, type Requester } from '../start-move.ts';
import { insertClone } from './row.ts';

/** What to clone, and the properties of the clone. */
export interface CloneInput {
  /** The id or slug of the tenant; undefined for that of the checkpoint. */
  readonly tenant?: string | undefined;
  /** The id of the checkpoint; undefined for the tenant as it is now. */
  readonly checkpoint?: string | undefined;
  readonly slug: string;
  /** By default that of the source. */
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  /** By default that of the source. */
  readonly isolation?: Isolation | undefined;
  /** By default that of the source, if it accepts tenants. */
  readonly server?: string | undefined;
  /** Whether the modules mask what must not leave production; true by default. */
  readonly neutralize?: boolean | undefined;
}

/**
 * Starts to clone a tenant or one of its checkpoints, and returns the transfer's id. Any process with a worker carries it out. The
 * clone has no members.
 * @throws {AppError} BAD_USER_INPUT, SLUG_TAKEN, HOST_TAKEN; TENANT_NOT_FOUND or NOT_FOUND; CONFLICT if the source's status does
 *   not allow it, the source is being moved, or the server accepts no tenants; and as `checkMigrations` and `chooseServer`
 */
export async function startClone(options: TransferOptions, input: CloneInput, by: Requester): Promise<string> {
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  const names = validNames({ ...input, name: input.name ?? input.slug });
  const { source, checkpoint } = await findCloned(options, input);
  const isolation = input.isolation ?? source.isolation;
  const server = await serverFor(options, input.server, checkpoint?.server ?? source.server);
  const key = newTenantKey();
  const to = { key, isolation, ...newPlacement(key, isolation, server, options.sharedDatabase) };
  const name = input.name === undefined ? source.name : names.name;
  const transfer = { ...names, name, source, to, checkpoint, neutralize: input.neutralize ?? true, ...by };
  try {
    return await options.catalog.use((client) => inTransaction(client, () => insert(client, transfer)));
  } catch (error) {
    throw error instanceof AppError ? await sayIfDeleted(options.catalog, error, names) : error;
  }
}

async function findCloned(
  options: TransferOptions,
  { tenant, checkpoint: id }: CloneInput,
): Promise<{ readonly source: Tenant; readonly checkpoint: Checkpoint | undefined }> {
  if ((tenant === undefined) === (id === undefined)) throw badInput('tenant', 'Set either tenant or checkpoint');
  if (tenant !== undefined) {
    const source = await tenantByReference(options.catalog, tenant);
    if (!canTake(tenantSteps.maintain, source.status)) throw await refusalNow(options.catalog, source, tenant);
    // The catalog's copy of the history saves a connection. The clone itself is made from the tenant's own history.
    const state = await source.migrationState?.loadOrFail();
    if (state) await refuseUnknown(options, state.applied, `The tenant ${source.slug}`);
    else await checkMigrations(options, source);
    return { source, checkpoint: undefined };
  }
  const checkpoint = await findCheckpoint(options.checkpoints, id ?? '');
  const source = await checkpoint.tenant?.loadOrFail();
  if (!source) throw new AppError('NOT_FOUND', `The tenant of the checkpoint ${checkpoint.name} is gone`);
  const applied = checkpoint.migrationState?.getEntity().applied;
  if (applied) await refuseUnknown(options, applied, `The checkpoint ${checkpoint.name}`);
  return { source, checkpoint };
}

async function refuseUnknown(
  { migrations }: TransferOptions,
  applied: readonly AppliedMigration[],
  what: string,
): Promise<void> {
  const plan = planUp(await migrations.tenant.read(), applied);
  if (plan.kind === 'refusal' && plan.code !== 'BAD_USER_INPUT') {
    throw new AppError(plan.code, `${what} cannot be cloned: ${plan.message}`);
  }
}

/** A clone is made fastest where its source is. */
async function serverFor(options: TransferOptions, wanted: string | undefined, nearest: string): Promise<string> {
  if (wanted !== undefined) return chooseServer(options, wanted);
  const { row } = await options.servers.find(nearest);
  return chooseServer(options, row.acceptsTenants ? nearest : undefined);
}

interface NewClone extends ReturnType<typeof validNames> {
  readonly source: Tenant;
  readonly to: { readonly key: string; readonly isolation: Isolation } & ReturnType<typeof newPlacement>;
  readonly checkpoint: Checkpoint | undefined;
  readonly neutralize: boolean;
  readonly requestedBy: string | null;
}

async function insert(client: pg.Client, clone: NewClone): Promise<string> {
  const { source, to, checkpoint, slug, name, host, neutralize, requestedBy } = clone;
  await lockServer(client, to.server);
  const { rows: found } = await client.query<{ slug: string; status: TenantStatus }>(
    'SELECT slug, status FROM tenants WHERE id = $1 FOR UPDATE',
    [source.id],
  );
  const [row] = found;
  const work = await findOpenWork(client, source.id, ['MOVE', 'RESTORE', 'IMPORT']);
  if (row) refuseOpenTransfer(work, row.slug);
  if (!row || (!checkpoint && !canTake(tenantSteps.maintain, row.status))) throw statusRefusal(row, source.slug);
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO tenant_transfers (kind, tenant_id, slug, name, host, source_id, source_slug, checkpoint_id, neutralize,
       requested_by, to_key, to_isolation, to_server, to_database, to_schema,
       from_key, from_isolation, from_server, from_database, from_schema)
     SELECT 'CLONE', $2, $3, $4, $5, id, slug, $6, $7, $8, $9, $10, $11, $12, $13, key, isolation, server, database, schema
     FROM tenants WHERE id = $1 RETURNING id`,
    [
      source.id,
      randomUUID(),
      slug,
      name,
      host,
      checkpoint?.id ?? null,
      neutralize,
      requestedBy,
      to.key,
      to.isolation,
      to.server,
      to.database,
      to.schema,
    ],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('The new transfer was not returned');
  await insertClone(client, id);
  const of = checkpoint ? `the checkpoint ${checkpoint.name} of ${source.slug}` : source.slug;
  await appendTransferEvent(client, id, 'CREATED', `clone ${of} as ${slug} on the server ${to.server}`);
  await wakeTransferWorkers(client, id);
  return id;
}
