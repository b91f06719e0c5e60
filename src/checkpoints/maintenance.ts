import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { forgetCommonState } from '../catalog/common-states.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { InProgress } from '../catalog/in-progress.ts';
import { observedAtSql } from '../catalog/migration-states.ts';
import { forgetUsage } from '../catalog/usage.ts';
import { databaseExists, dropDatabase } from '../postgres/admin/databases.ts';
import { FINISH_MS } from '../postgres/admin/end-sessions.ts';
import { logSequences } from '../postgres/admin/log-sequences.ts';
import {
  allowConnections,
  allowConnectionsSql,
  copyDatabase,
  disallowConnections,
  replaceDatabase,
} from '../postgres/admin/replace-database.ts';
import type { Listener } from '../postgres/listener.ts';
import { type PostgresServer, type Servers, serverNamed } from '../postgres/server.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { tenantRole } from '../routing/placement.ts';
import { withPlacementLock } from '../routing/placement-lock.ts';
import { tenantBusy } from '../routing/resolve-tenant.ts';
import { drainSessions, PATIENT_FINISH_MS } from '../servers/tenant-sessions.ts';
import {
  beginMaintenance,
  endMaintenance,
  isBegun,
  type Maintained,
  maintainedColumns,
  type RestoredDatabase,
  rereadMaintenance,
} from './maintenance-store.ts';

/** What maintenance of tenants' databases needs. */
export interface MaintenanceOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly listener: Pick<Listener, 'instance' | 'mayTakeOver'>;
  readonly log: Logger;
}

/** Stores the result of the work, in the transaction that ends the maintenance. */
export type Ending = (client: pg.Client) => Promise<unknown>;

/** How a copy may differ. */
export interface CopyVariant {
  /** The name of the copy. By default it gets a name of its own. */
  readonly copy?: string;
  /**
   * Whether the copy takes a moment, so that requests wait for it instead of being refused. It fails if a session does not finish its
   * statement in {@link FINISH_MS}.
   */
  readonly isPause?: boolean;
  /** The roles besides the owner that may connect to the copy. By default nobody may, not even the owner. */
  readonly openTo?: readonly string[];
}

/** The tenant's sessions did not finish their statements in {@link FINISH_MS}. */
export class BusySessionsError extends Error {
  constructor(slug: string) {
    super(`sessions of the tenant ${slug} did not finish their statements in time`);
  }
}

/**
 * Work that copies or replaces a tenant's database. While a tenant has a row in `tenant_maintenances`, its status is
 * MAINTENANCE, requests get TENANT_BUSY and its role may not connect. The process may die at any moment, so the row's phase
 * alone tells how to end the work:
 *
 * - COPYING: a copy is being created and the tenant's database is unchanged. Drop the copy.
 * - COPIED: the copy is complete. The tenant's database may be in the middle of a batch, or is to be replaced. Replace it with
 *   the copy by two renames in one transaction. If the copy no longer exists, that is already done. Then drop the previous
 *   database, which has the name of the copy with the suffix `_old`.
 * - DONE: the tenant's database is final.
 *
 * Each case ends in the same way: the tenant's role may connect again, the tenant gets its previous status and the row is
 * deleted. The row names its process, which is dead if nobody holds its liveness lock; see {@link recover}. All work on the
 * server runs under the placement lock, because a statement can outlive the process that sent it.
 */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  /** The tenants that this process is working on. */
  readonly #inProgress = new InProgress();

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /**
   * Copies a database and runs `work`. The tenant is served again at the end, whatever happens.
   * @param source the database to copy; by default the tenant's own
   * @param work receives the copy's size in bytes. It returns `replace`, or what to store if the tenant's database is to be
   *   kept. If it throws, the copy replaces the tenant's database.
   * @throws {AppError} TENANT_BUSY if the tenant is in maintenance already, CONFLICT if its status does not allow maintenance
   */
  async run(
    tenantId: string,
    source: RestoredDatabase | undefined,
    work: (tenant: Maintained, size: number) => Promise<Ending | 'replace'>,
  ): Promise<void> {
    using _working = this.#begin(tenantId);
    const { catalog, listener } = this.#options;
    const tenant = await catalog.use((client) =>
      beginMaintenance(client, tenantId, { source, instance: listener.instance }),
    );
    await this.#runAndEnd(tenant, source?.database, work);
  }

  /**
   * Only copies a tenant's database.
   * @param ending stores the copy, whose size is in bytes
   * @throws {AppError} as {@link run}
   * @throws {BusySessionsError}
   */
  async copy(
    tenantId: string,
    ending: (client: pg.Client, tenant: Maintained, size: number) => Promise<unknown>,
    { copy, isPause = false, openTo }: CopyVariant = {},
  ): Promise<void> {
    using _working = this.#begin(tenantId);
    const { catalog, listener } = this.#options;
    const tenant = await catalog.use((client) =>
      beginMaintenance(client, tenantId, {
        source: undefined,
        instance: listener.instance,
        ...(copy !== undefined && { copy }),
        isPause,
      }),
    );
    try {
      const opened = allowConnectionsSql(tenant.database, [tenantRole(tenant.key)]);
      const after = openTo ? `${opened}; ${allowConnectionsSql(tenant.copy, openTo)}` : opened;
      const size = await this.#copyTo(tenant, { source: tenant.database, after }, isPause);
      if (openTo) await this.#serverOf(tenant.server).owner(tenant.copy, logSequences);
      await this.#enter(tenant, 'DONE', async (client) => {
        await ending(client, tenant, size);
        await endMaintenance(client, tenant.tenantId, listener.instance);
      });
    } catch (error) {
      await this.#end(await catalog.use((client) => rereadMaintenance(client, tenant, listener.instance)));
      throw error;
    }
  }

  /** Ends interrupted maintenance: that of dead processes, and that which this process failed to end earlier. */
  async recover(tenantId?: string): Promise<void> {
    const { catalog, listener, log } = this.#options;
    // Without the liveness lock, other processes would take over at once what this one claims.
    if (!listener.mayTakeOver) return;
    const { rows } = await catalog.use((client) =>
      client.query<Maintained>(
        `UPDATE tenant_maintenances m SET claimed_by = $1 FROM tenants t
         WHERE t.id = m.tenant_id AND ($2::uuid IS NULL OR t.id = $2) AND t.id <> ALL ($3::uuid[])
           AND (m.claimed_by = $1 AND m.started_at < now() - interval '10 seconds' OR NOT ${isAliveSql('m.claimed_by')})
         RETURNING ${maintainedColumns}`,
        [listener.instance, tenantId ?? null, this.#inProgress.ids()],
      ),
    );
    for (const tenant of rows) {
      using _working = this.#inProgress.begin(tenant.tenantId);
      try {
        await this.#end(tenant);
        log.warn({ tenant: tenant.tenantId, phase: tenant.phase }, 'ended an interrupted maintenance of a tenant');
      } catch (err) {
        log.error(
          { err, tenant: tenant.tenantId },
          'could not end an interrupted maintenance of a tenant; will try again later',
        );
      }
    }
  }

  /**
   * Whether a tenant is in maintenance that is making progress.
   * @throws {AppError} SERVER_BUSY if the tenant's server does not answer
   */
  async isUnderWay({ tenantId, server }: Pick<Maintained, 'tenantId' | 'server'>): Promise<boolean> {
    if (!(await this.#options.catalog.use((client) => isBegun(client, tenantId)))) return false;
    await this.#serverOf(server).ping();
    return true;
  }

  async #withLock<T>({ server, key }: Maintained, work: (admin: pg.Client) => Promise<T>): Promise<T> {
    return withPlacementLock(this.#serverOf(server), key, work);
  }

  #serverOf(name: string): PostgresServer {
    return serverNamed(this.#options.servers, name);
  }

  #begin(tenantId: string): Disposable {
    this.#options.servers.get(FIRST_SERVER)?.requireAdmin();
    if (this.#inProgress.has(tenantId)) throw tenantBusy(tenantId);
    return this.#inProgress.begin(tenantId);
  }

  /**
   * Keeps everybody out of the tenant's database, after the statements that run if they end soon, and makes the copy.
   * @param after statements that follow
   * @returns the copy's size, in bytes
   */
  #copyTo(
    tenant: Maintained,
    { source, after }: { readonly source: string; readonly after?: string },
    isPause = false,
  ): Promise<number> {
    const role = tenantRole(tenant.key);
    return this.#withLock(tenant, async (admin) => {
      const isDrained = await drainSessions(admin, role, isPause ? FINISH_MS : PATIENT_FINISH_MS);
      if (isPause && !isDrained) throw new BusySessionsError(tenant.slug);
      // Statements that still run have had their time.
      await disallowConnections(admin, tenant.database, role, isDrained ? FINISH_MS : 0);
      const bytes = await copyDatabase(admin, tenant.copy, source, role);
      if (after !== undefined) await admin.query(after);
      return bytes;
    });
  }

  async #runAndEnd(
    tenant: Maintained,
    source: string | undefined,
    work: (tenant: Maintained, size: number) => Promise<Ending | 'replace'>,
  ): Promise<void> {
    let now = tenant;
    try {
      const size = await this.#copyTo(
        tenant,
        source === undefined
          ? { source: tenant.database, after: allowConnectionsSql(tenant.database, []) }
          : { source },
      );
      now = await this.#enter(tenant, 'COPIED');
      const ending = await work(now, size);
      if (ending !== 'replace') now = await this.#enter(now, 'DONE', ending);
    } finally {
      const { catalog, listener } = this.#options;
      // The last change of phase may have been committed although its answer was lost.
      await this.#end(await catalog.use((client) => rereadMaintenance(client, now, listener.instance)));
    }
  }

  /** Ends the work as the phase requires and deletes the row. Idempotent. */
  async #end(tenant: Maintained): Promise<void> {
    const role = tenantRole(tenant.key);
    if (tenant.phase === 'COPYING') await this.#withLock(tenant, (admin) => dropDatabase(admin, tenant.copy));
    if (tenant.phase === 'COPIED') {
      const previous = `${tenant.copy}_old`;
      const replacedAt = await this.#withLock(tenant, async (admin) => {
        // If the copy is gone, the database was already replaced and its role may be allowed to connect.
        if (await databaseExists(admin, tenant.copy)) {
          await disallowConnections(admin, tenant.database, role);
          await replaceDatabase(admin, tenant.database, tenant.copy, previous);
        }
        await dropDatabase(admin, previous);
        await allowConnections(admin, tenant.database, []);
        await this.#serverOf(tenant.server).owner(tenant.database, logSequences);
        const { rows } = await admin.query<{ now: string }>(`SELECT ${observedAtSql} AS now`);
        return rows[0]?.now;
      });
      // A run may still report the state of the replaced database. The timestamp makes that report outdated.
      await this.#enter(tenant, 'DONE', async (client) => {
        await forgetCommonState(client, tenant.server, tenant.database);
        await client.query(
          `UPDATE tenants t SET migration_state = copy_state, migration_state_seen_at = $2
           FROM tenant_maintenances m WHERE t.id = $1 AND m.tenant_id = t.id`,
          [tenant.tenantId, replacedAt],
        );
        await forgetUsage(client, tenant.tenantId);
      });
    }
    await this.#withLock(tenant, (admin) => allowConnections(admin, tenant.database, [role]));
    const { catalog, listener } = this.#options;
    await catalog.use((client) => endMaintenance(client, tenant.tenantId, listener.instance));
  }

  /** Enters a phase while it is certain that this process performs the maintenance. */
  async #enter(tenant: Maintained, phase: Maintained['phase'], ending?: Ending): Promise<Maintained> {
    const { catalog, listener } = this.#options;
    await catalog.use((client) =>
      inTransaction(client, async () => {
        const { rowCount } = await client.query(
          'UPDATE tenant_maintenances SET phase = $3 WHERE tenant_id = $1 AND claimed_by = $2',
          [tenant.tenantId, listener.instance, phase],
        );
        // Another process considered this one dead, perhaps because its connection to auth broke.
        if (rowCount === 0) throw tenantBusy(tenant.slug);
        await ending?.(client);
      }),
    );
    return { ...tenant, phase };
  }
}
