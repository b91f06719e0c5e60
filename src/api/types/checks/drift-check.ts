import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import { TenantDrift } from '../../../catalog/entities/tenant-drift.entity.ts';
import { MAX_STATEMENTS } from '../../../fleet/drift/drift-store.ts';
import { entityConnection } from '../../../orm/pagination.ts';
import { builder } from '../../builder.ts';
import { TenantRef } from '../tenant.ts';

const DriftCheckRef = builder.objectType(TenantDrift, {
  name: 'DriftCheck',
  description:
    "What the last check of a tenant's tables has found. tenantry drift makes checks, and DRIFT_CHECK_HOURS repeats them.",
  fields: (t) => ({
    tenant: t.loadable({
      type: TenantRef,
      load: async (ids: string[], { services }) => {
        const found = await services.catalog.fork().find(Tenant, { id: { $in: ids } });
        return ids.map((id) => found.find((tenant) => tenant.id === id) ?? new Error(`The tenant ${id} is gone`));
      },
      resolve: ({ tenantId }) => tenantId,
    }),
    checkedAt: t.field({ type: 'DateTime', resolve: ({ checkedAt }) => checkedAt }),
    isClean: t.boolean({ resolve: ({ differences }) => differences === 0 }),
    differences: t.exposeInt('differences', {
      description: 'The number of statements that would make the tables match the entities.',
    }),
    sql: t.stringList({
      maxItems: MAX_STATEMENTS,
      description: 'The first of these statements, without the end of long ones. Tenant.drift has all of them.',
      resolve: ({ statements }) => statements,
    }),
    error: t.string({
      nullable: true,
      description: 'Why the last check could not compare the tables. The other fields are those of the check before.',
      resolve: ({ error }) => error ?? null,
    }),
  }),
});

builder.objectField(Tenant, 'driftCheck', (t) =>
  t.loadable({
    type: DriftCheckRef,
    nullable: true,
    description: 'The result of the last check of its tables. Null if it was never checked.',
    authScopes: { platformAdmin: true },
    load: async (ids: string[], { services }) => {
      const found = await services.catalog.fork().find(TenantDrift, { tenantId: { $in: ids } });
      return ids.map((id) => found.find(({ tenantId }) => tenantId === id) ?? null);
    },
    resolve: ({ id }) => id,
  }),
);

builder.queryField('driftedTenants', (t) =>
  t.connection(
    {
      type: DriftCheckRef,
      description: 'Tenants whose tables differed from the entities at their last check, in the order of their ids.',
      nullable: true,
      authScopes: { platformAdmin: true },
      resolve: (_root, page, { services }) =>
        entityConnection(services.catalog.fork(), TenantDrift, page, {
          where: { differences: { $gt: 0 } },
          orderBy: { tenantId: 'asc' },
        }),
    },
    { name: 'DriftCheckConnection' },
    { name: 'DriftCheckEdge' },
  ),
);
