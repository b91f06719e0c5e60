import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { forgetCommonState } from '../catalog/common-states.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { observedAtSql } from '../catalog/migration-states.ts';
import { AppError } from '../lib/errors.ts';
import { databaseExists, dropDatabase } from '../postgres/admin/databases.ts';
import {
  allowConnections,
  copyDatabase,
  disallowConnections,
  replaceDatabase,
} from '../postgres/admin/replace-database.ts';
import type { Listener } from '../postgres/listener.ts';
import type { PostgresServer, Servers } from '../postgres/server.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { tenantRole } from '../routing/placement.ts';
import { withPlacementLock } from '../routing/placement-lock.ts';
import { tenantBusy } from '../routing/resolve-tenant.ts';
import {
  beginMaintenance,
  isBegun,
  type Maintained,
  maintainedColumns,
  rereadMaintenance,
} from './maintenance-store.ts';

/** What working on tenants' databases needs. */
export interface MaintenanceOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly listener: Pick<Listener, 'instance' | 'connected'>;
  readonly log: Logger;
}

/** What is written down with the end of the work. */
export type Ending = (client: pg.Client) => Promise<unknown>;

/**
 * Work that copies or replaces a tenant's database. While a tenant has a row in `tenant_maintenances` its status is
 * MAINTENANCE, so that requests get TENANT_BUSY, and its role may not connect. The row's phase tells whoever finds it, at
 * whatever moment its process has died, what is to be done, so that nothing but the row is needed to end the work:
 *
 * - COPYING: a copy is being made, and the tenant's database is as it was. The copy is dropped.
 * - COPIED: the copy is complete, and the tenant's database may be in the middle of a batch, or is to be replaced. The copy
 *   takes its place, which two renames in one transaction do: when there is no copy any more, that is done. Then what was
 *   there before, called as the copy with `_old`, is dropped.
 * - DONE: the tenant's database is as it is to be.
 *
 * Then, in each case, the tenant's role may connect again, and the tenant gets the status back that it had, as the row goes.
 * The row names its process, which is dead when nobody holds its advisory lock; see {@link recover}. What is done on
 * the server, is done under the lock of the tenant's place: a statement outlives the process that sent it.
 */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  /** The tenants that this process works on at this moment. */
  readonly #inProgress = new Set<string>();

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /**
   * Copies a database and does `work`. Whatever happens then, the tenant is served again at the end.
   * @param source a database to copy, with the id of its migration state; without it, the tenant's own
   * @param work gets the copy's size in bytes, and ends with `replace`, or by calling the tenant's database good and saying
   *   what is to be written down with that; if it fails, the copy takes the place of the tenant's database
   * @throws {AppError} TENANT_BUSY if somebody else works on the tenant, CONFLICT if it is in no status for this
   */
  async run(
    tenantId: string,
    source: { readonly database: string; readonly state: string | null } | undefined,
    work: (tenant: Maintained, size: number) => Promise<Ending | 'replace'>,
  ): Promise<void> {
    this.#options.servers.get(FIRST_SERVER)?.requireAdmin();
    if (this.#inProgress.has(tenantId)) throw tenantBusy(tenantId);
    this.#inProgress.add(tenantId);
    try {
      const { catalog, listener } = this.#options;
      const tenant = await catalog.use((client) =>
        beginMaintenance(client, tenantId, { state: source?.state, instance: listener.instance }),
      );
      await this.#runAndEnd(tenant, source?.database, work);
    } finally {
      this.#inProgress.delete(tenantId);
    }
  }

  /** Ends work that was cut short: that of dead processes, and what this process could not end when it was to. */
  async recover(tenantId?: string): Promise<void> {
    const { catalog, listener, log } = this.#options;
    // Without the sign of life others would take at once what is claimed now, and both would work on it.
    if (!listener.connected) return;
    const { rows } = await catalog.use((client) =>
      client.query<Maintained>(
        `UPDATE tenant_maintenances m SET claimed_by = $1 FROM tenants t
         WHERE t.id = m.tenant_id AND ($2::uuid IS NULL OR t.id = $2) AND t.id <> ALL ($3::uuid[])
           AND (m.claimed_by = $1 AND m.started_at < now() - interval '10 seconds' OR NOT ${isAliveSql('m.claimed_by')})
         RETURNING ${maintainedColumns}`,
        [listener.instance, tenantId ?? null, [...this.#inProgress]],
      ),
    );
    for (const tenant of rows) {
      this.#inProgress.add(tenant.tenantId);
      try {
        await this.#end(tenant);
        log.warn(
          { tenant: tenant.tenantId, phase: tenant.phase },
          'work on a tenant had been cut short and is ended now',
        );
      } catch (err) {
        log.error(
          { err, tenant: tenant.tenantId },
          'work on a tenant that was cut short cannot be ended now; trying again later',
        );
      } finally {
        this.#inProgress.delete(tenant.tenantId);
      }
    }
  }

  /**
   * Whether somebody works on a tenant, and is getting on with it.
   * @throws {AppError} SERVER_BUSY if the tenant's server does not answer
   */
  async isUnderWay({ tenantId, server }: Pick<Maintained, 'tenantId' | 'server'>): Promise<boolean> {
    if (!(await this.#options.catalog.use((client) => isBegun(client, tenantId)))) return false;
    await this.#serverOf(server).ping();
    return true;
  }

  async #alone<T>({ server, key }: Maintained, work: (admin: pg.Client) => Promise<T>): Promise<T> {
    return withPlacementLock(this.#serverOf(server), key, work);
  }

  #serverOf(name: string): PostgresServer {
    const server = this.#options.servers.get(name);
    if (!server) throw new AppError('SERVER_BUSY', `The server ${name} is not known here`);
    return server;
  }

  async #runAndEnd(
    tenant: Maintained,
    source: string | undefined,
    work: (tenant: Maintained, size: number) => Promise<Ending | 'replace'>,
  ): Promise<void> {
    let now = tenant;
    try {
      const role = tenantRole(tenant.key);
      const size = await this.#alone(tenant, async (admin) => {
        await disallowConnections(admin, tenant.database, role);
        const bytes = await copyDatabase(admin, tenant.copy, source ?? tenant.database, role);
        if (!source) await allowConnections(admin, tenant.database, []);
        return bytes;
      });
      now = await this.#enter(tenant, 'COPIED');
      const ending = await work(now, size);
      if (ending !== 'replace') now = await this.#enter(now, 'DONE', ending);
    } finally {
      const { catalog, listener } = this.#options;
      // A phase may have been entered without an answer.
      await this.#end(await catalog.use((client) => rereadMaintenance(client, now, listener.instance)));
    }
  }

  /** What the phases ask for; it may be repeated, and ends with the row gone. */
  async #end(tenant: Maintained): Promise<void> {
    const role = tenantRole(tenant.key);
    if (tenant.phase === 'COPYING') await this.#alone(tenant, (admin) => dropDatabase(admin, tenant.copy));
    if (tenant.phase === 'COPIED') {
      const previous = `${tenant.copy}_old`;
      const replacedAt = await this.#alone(tenant, async (admin) => {
        // Without the copy it has been replaced, perhaps by somebody who has let the tenant's role in again since.
        if (await databaseExists(admin, tenant.copy)) {
          await disallowConnections(admin, tenant.database, role);
          await replaceDatabase(admin, tenant.database, tenant.copy, previous);
        }
        await dropDatabase(admin, previous);
        const { rows } = await admin.query<{ now: string }>(`SELECT ${observedAtSql} AS now`);
        return rows[0]?.now;
      });
      // A run that has migrated what is gone now may still have to tell of it, and is too late then.
      await this.#enter(tenant, 'DONE', async (client) => {
        await forgetCommonState(client, tenant.server, tenant.database);
        await client.query(
          `UPDATE tenants t SET migration_state = copy_state, migration_state_seen_at = $2
           FROM tenant_maintenances m WHERE t.id = $1 AND m.tenant_id = t.id`,
          [tenant.tenantId, replacedAt],
        );
      });
    }
    await this.#alone(tenant, (admin) => allowConnections(admin, tenant.database, [role]));
    await this.#options.catalog.use((client) =>
      client.query(
        `WITH m AS (DELETE FROM tenant_maintenances WHERE tenant_id = $1 AND claimed_by = $2 RETURNING *)
         UPDATE tenants t SET status = status_before, maintained_at = now() FROM m WHERE t.id = m.tenant_id`,
        [tenant.tenantId, this.#options.listener.instance],
      ),
    );
  }

  async #enter(tenant: Maintained, phase: Maintained['phase'], ending?: Ending): Promise<Maintained> {
    const { catalog, listener } = this.#options;
    await catalog.use((client) =>
      inTransaction(client, async () => {
        const { rowCount } = await client.query(
          'UPDATE tenant_maintenances SET phase = $3 WHERE tenant_id = $1 AND claimed_by = $2',
          [tenant.tenantId, listener.instance, phase],
        );
        // The others held this process for dead, perhaps since its connection to auth broke.
        if (rowCount === 0) throw tenantBusy(tenant.slug);
        await ending?.(client);
      }),
    );
    return { ...tenant, phase };
  }
}
