import { isolations, Tenant, tenantStatuses } from '../../catalog/entities/tenant.entity.ts';
import { builder } from '../builder.ts';

/** The GraphQL enum of isolations. */
export const IsolationRef = builder.enumType('Isolation', {
  description: "DATABASE: the tenant owns a database; SCHEMA: it owns a schema of its server's shared database.",
  values: isolations,
});

/** The GraphQL enum of what may be done with a tenant. */
export const TenantStatusRef = builder.enumType('TenantStatus', { values: tenantStatuses });

const PlacementRef = builder.objectRef<Tenant>('Placement').implement({
  description: "Where a tenant's tables are.",
  fields: (t) => ({
    server: t.exposeString('server'),
    database: t.exposeString('database'),
    schema: t.exposeString('schema'),
  }),
});

/** The GraphQL type of a tenant, as platform admins and its own members see it. */
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
