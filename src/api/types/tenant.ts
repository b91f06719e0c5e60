import { isolations, Tenant, tenantStatuses } from '../../catalog/entities/tenant.entity.ts';
import { builder } from '../builder.ts';

/** The GraphQL enum of isolations. */
export const IsolationRef = builder.enumType('Isolation', {
  description:
    "DATABASE: the tenant has its own database. SCHEMA: it has its own schema in its server's shared database.",
  values: isolations,
});

/** The GraphQL enum of the statuses of a tenant. */
export const TenantStatusRef = builder.enumType('TenantStatus', { values: tenantStatuses });

const PlacementRef = builder.objectRef<Tenant>('Placement').implement({
  description: "Where a tenant's tables are stored.",
  fields: (t) => ({
    server: t.exposeString('server'),
    database: t.exposeString('database'),
    schema: t.exposeString('schema'),
  }),
});

/** The GraphQL type of a tenant, for platform admins and the tenant's own members. */
export const TenantRef = builder.objectType(Tenant, {
  name: 'Tenant',
  fields: (t) => ({
    id: t.exposeID('id'),
    slug: t.exposeString('slug'),
    name: t.exposeString('name'),
    host: t.string({ nullable: true, resolve: ({ host }) => host ?? null }),
    status: t.field({ type: TenantStatusRef, resolve: ({ status }) => status }),
    isolation: t.field({ type: IsolationRef, resolve: ({ isolation }) => isolation }),
    placement: t.field({
      type: PlacementRef,
      description: 'For platform admins.',
      authScopes: { platformAdmin: true },
      resolve: (tenant) => tenant,
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
  }),
});
