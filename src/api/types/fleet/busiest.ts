import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { type BusyTenant, busiestTenants } from '../../../monitoring/busiest-tenants.ts';
import { MAX_PAGE } from '../../../orm/pagination.ts';
import { builder } from '../../builder.ts';
import { pageSize } from '../../list-page.ts';
import { TenantRef } from '../tenant.ts';
import { FleetStatusRef } from './status.ts';

/** A tenant with how busy it has been. */
type BusyTenantRow = BusyTenant & { readonly tenant: Tenant };

/** The GraphQL type of a busy tenant, for lists of them. */
export const BusyTenantRef = builder.objectRef<BusyTenantRow>('BusyTenant').implement({
  fields: (t) => ({
    tenant: t.field({ type: TenantRef, resolve: ({ tenant }) => tenant }),
    requestsPerSecond: t.exposeFloat('requestsPerSecond'),
    averageConcurrency: t.exposeFloat('averageConcurrency', {
      description: 'How many of its requests were in progress at once, on average.',
    }),
  }),
});

const BusyOrderRef = builder.enumType('BusyTenantOrder', {
  values: {
    REQUESTS: { value: 'requestsPerSecond', description: 'By the number of requests.' },
    TIME: { value: 'averageConcurrency', description: 'By the time that the requests take.' },
  } as const,
});

/** Finds the busiest tenants with their rows. */
export async function readBusiest(
  { catalog }: Pick<Services, 'catalog'>,
  options: Parameters<typeof busiestTenants>[1],
): Promise<BusyTenantRow[]> {
  const found = await busiestTenants(catalog, options);
  const rows = await catalog.fork().find(Tenant, { id: { $in: found.map(({ id }) => id) } });
  const byId = new Map(rows.map((tenant) => [tenant.id, tenant]));
  return found.flatMap((busy) => {
    const tenant = byId.get(busy.id);
    return tenant ? [{ ...busy, tenant }] : [];
  });
}

/** The arguments of a list of the busiest tenants. */
const busiestArgs = builder.args((t) => ({
  first: t.int({ defaultValue: 10, description: `From 1 to ${MAX_PAGE}.` }),
  orderBy: t.field({ type: BusyOrderRef, defaultValue: 'requestsPerSecond' }),
}));

builder.objectField(FleetStatusRef, 'busiest', (t) =>
  t.field({
    type: [BusyTenantRef],
    description: 'The busiest tenants of the last seconds, in all servers together; the busiest first.',
    maxItems: MAX_PAGE,
    args: busiestArgs,
    resolve: (_status, { first, orderBy }, { services }) =>
      readBusiest(services, { first: pageSize({ first }), orderBy: orderBy ?? 'requestsPerSecond' }),
  }),
);
