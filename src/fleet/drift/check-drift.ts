import pLimit from 'p-limit';
import type { Catalog } from '../../catalog/catalog.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { messageOf } from '../../lib/errors.ts';
import type { MigrationFolder } from '../../migrator/files/migration-folder.ts';
import { createDriftReader, type DriftOptions } from '../../tenants/drift.ts';
import { matchingStateIds } from '../tenant-states.ts';
import { type DriftResult, listTenantIds, storeDrift, type TenantSelection } from './drift-store.ts';

/** What checking many tenants needs. */
export interface FleetDriftOptions extends DriftOptions {
  readonly catalog: Catalog;
  readonly migrations: MigrationFolder;
  /** The number of tenants that are compared at once. */
  readonly concurrency: number;
}

/** A tenant that was compared. */
export interface CheckedTenant extends DriftResult {
  readonly slug: string;
}

/** The number of tenants that are in memory at once. */
const PAGE = 200;

/**
 * Compares the tables of tenants with the entities, and stores the results in the catalog. Tenants that are suspended are compared
 * too. Those whose migrations are not exactly those of the code are expected to differ, so they are left out, as are those that
 * are migrated meanwhile.
 * @param selection by default all tenants
 * @param signal ends the check before the next tenant
 */
export async function* checkDrift(
  options: FleetDriftOptions,
  selection: TenantSelection = {},
  signal?: AbortSignal,
): AsyncGenerator<CheckedTenant, void, undefined> {
  const { catalog, migrations, concurrency } = options;
  const files = await migrations.read();
  const states = await matchingStateIds(catalog, files);
  const limit = pLimit(concurrency);
  const read = createDriftReader(options);
  let hasFailed = false;
  const check = async (tenant: Tenant) => {
    if (hasFailed || signal?.aborted) return undefined;
    return checkTenant(catalog, read, tenant, states).catch((error: unknown) => {
      hasFailed = true;
      throw error;
    });
  };
  for (let after: string | undefined; ; ) {
    const ids = await catalog.use((client) => listTenantIds(client, { ...selection, states, after, most: PAGE }));
    if (ids.length === 0 || signal?.aborted) return;
    after = ids.at(-1);
    const tenants = await catalog.fork().find(Tenant, { id: { $in: ids } });
    // Settled, so that nothing of it goes on when whoever has called learns of a failure.
    const settled = await Promise.allSettled(tenants.map((tenant) => limit(check, tenant)));
    for (const result of settled) {
      if (result.status === 'rejected') throw result.reason;
      if (result.value) yield result.value;
    }
  }
}

async function checkTenant(
  catalog: Catalog,
  read: (tenant: Tenant) => Promise<readonly string[]>,
  tenant: Tenant,
  states: readonly string[],
): Promise<CheckedTenant | undefined> {
  const result = await read(tenant).then(
    (statements) => ({ statements, error: null }),
    (error: unknown) => ({ statements: [], error: messageOf(error) }),
  );
  const stored = await catalog.use((client) => storeDrift(client, tenant.id, result, states));
  return stored ? { slug: tenant.slug, ...result } : undefined;
}
