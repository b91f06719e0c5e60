import type { Catalog } from '../../catalog/catalog.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { readWhenReachable } from '../../postgres/follow-events.ts';
import type { Listener } from '../../postgres/listener.ts';
import { followRunInPages, type RunEvent } from './events.ts';

/** An event of a run with its tenant; null if the event is about no tenant, or the tenant is deleted. */
export interface TenantEvent extends RunEvent {
  readonly tenant: Tenant | null;
}

/** Like `followRun`, but with tenants. The tenants of a page of events are loaded together. */
export async function* followWithTenants(
  catalog: Catalog,
  listener: Listener,
  run: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<TenantEvent, void, undefined> {
  for await (const events of followRunInPages(catalog, listener, run, after, signal)) {
    const tenants = await readWhenReachable(() => readTenants(catalog, events), signal);
    for (const event of events) yield { ...event, tenant: tenants.get(event.tenantId ?? '') ?? null };
  }
}

async function readTenants(catalog: Catalog, events: readonly RunEvent[]): Promise<ReadonlyMap<string, Tenant>> {
  const ids = [...new Set(events.flatMap(({ tenantId }) => tenantId ?? []))];
  const tenants = ids.length > 0 ? await catalog.fork().find(Tenant, { id: ids }) : [];
  return new Map(tenants.map((tenant) => [tenant.id, tenant]));
}
