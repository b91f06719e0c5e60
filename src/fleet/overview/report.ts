import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { tenantSteps } from '../../catalog/tenant-status.ts';
import { listServers, type ServerInfo } from '../../servers/list.ts';
import type { PoolerWatch } from '../../servers/poolers/watch.ts';
import type { ServerRegistry } from '../../servers/registry.ts';
import { type ListedTransfer, listTransfers } from '../../transfers/list.ts';
import { type FailureGroup, readFailureGroups } from '../failures/failure-groups.ts';
import { readNewestRun } from '../runs/newest.ts';
import type { FleetCounts } from './fleet-counts.ts';
import type { FleetOverview } from './overview.ts';

/** The maximum number of tenants and of runs that a report names. */
const NAMED = 20;

/** What an operator wants to see first. */
export interface FleetReport {
  readonly counts: FleetCounts;
  /** The slugs of the first tenants that need attention. */
  readonly needAttention: readonly string[];
  /** The oldest runs that have not ended. */
  readonly unfinished: readonly MigrationRun[];
  /** The oldest transfers of tenants that have not ended. */
  readonly transfers: readonly ListedTransfer[];
  readonly newest: { readonly run: MigrationRun; readonly failures: readonly FailureGroup[] } | undefined;
  readonly servers: readonly ServerInfo[];
}

/** Reads the state of the fleet. It connects to each server and to no tenant. */
export async function readFleetReport({
  catalog,
  fleet,
  servers,
  poolers,
}: {
  readonly catalog: Catalog;
  readonly fleet: FleetOverview;
  readonly servers: ServerRegistry;
  readonly poolers: PoolerWatch;
}): Promise<FleetReport> {
  const em = catalog.fork();
  const oldestFirst = { createdAt: 'asc', id: 'asc' } as const;
  const inNeed = await em.find(
    Tenant,
    { status: { $in: [...tenantSteps.resolve.from] } },
    { orderBy: oldestFirst, limit: NAMED },
  );
  const unfinished = await em.find(MigrationRun, { endedAt: null }, { orderBy: oldestFirst, limit: NAMED });
  const run = await readNewestRun(catalog);
  const [failures = []] = run ? await catalog.use((client) => readFailureGroups(client, [run.id])) : [];
  return {
    counts: await fleet.counts(),
    needAttention: inNeed.map(({ slug }) => slug),
    unfinished,
    transfers: (await listTransfers(catalog, undefined, 0)).slice(0, NAMED),
    newest: run && { run, failures },
    servers: await listServers({ catalog, servers, poolers }),
  };
}
