import type { FilterQuery } from '@mikro-orm/core';
import { findTenantId, slugsOf } from '../../auth/removed-tenants.ts';
import { AuditEntry } from '../../catalog/entities/audit-entry.entity.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { User } from '../../catalog/entities/user.entity.ts';
import { entityConnection } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { UserRef } from './account.ts';
import { TenantRef } from './tenant.ts';

const AuditEntryRef = builder.objectType(AuditEntry, {
  name: 'AuditEntry',
  description: 'An action that somebody took or attempted.',
  fields: (t) => ({
    id: t.exposeID('id'),
    at: t.field({ type: 'DateTime', resolve: ({ at }) => at }),
    actor: t.exposeString('actor', { description: 'The email address, or whatever else identifies the caller.' }),
    user: t.loadable({
      type: UserRef,
      nullable: true,
      description: 'Null if the caller has no account, or if it has been deleted.',
      load: async (ids: string[], { services }) => {
        const found = await services.catalog.fork().find(User, { id: { $in: ids } });
        return ids.map((id) => found.find((user) => user.id === id) ?? null);
      },
      resolve: ({ userId }) => userId ?? null,
    }),
    action: t.exposeString('action', {
      description: 'The name of a mutation, of an operation or of a CLI command.',
    }),
    outcome: t.exposeString('outcome', { description: 'OK, or the error code.' }),
    tenant: t.loadable({
      type: TenantRef,
      nullable: true,
      description: 'Null if no tenant was involved, or if it has been deleted.',
      load: async (ids: string[], { services }) => {
        const found = await services.catalog.fork().find(Tenant, { id: { $in: ids } });
        return ids.map((id) => found.find((tenant) => tenant.id === id) ?? null);
      },
      resolve: ({ tenantId }) => tenantId ?? null,
    }),
    tenantSlug: t.loadable({
      type: 'String',
      nullable: true,
      description: 'The slug of the tenant, also of one that has been removed for good.',
      load: async (ids: string[], { services: { catalog } }) => {
        const slugs = await slugsOf(catalog, ids);
        return ids.map((id) => slugs.get(id) ?? null);
      },
      resolve: ({ tenantId }) => tenantId ?? null,
    }),
    address: t.string({ nullable: true, resolve: ({ address }) => address ?? null }),
    requestId: t.string({ nullable: true, resolve: ({ requestId }) => requestId ?? null }),
    details: t.string({
      nullable: true,
      description:
        'The arguments as JSON, without passwords and tokens; those of the first call if the entry counts several.',
      resolve: ({ details }) => details ?? null,
    }),
    count: t.exposeInt('count', {
      description:
        'How often it happened within a minute. Refusals are merged whatever their arguments, so that nobody can fill the log.',
    }),
    lastAt: t.field({
      type: 'DateTime',
      description: 'When it last happened within its minute.',
      resolve: ({ at, lastAt }) => lastAt ?? at,
    }),
  }),
});

const AuditFilterInput = builder.inputType('AuditFilter', {
  fields: (t) => ({
    actor: t.string({ maxLength: 254 }),
    action: t.string({ maxLength: 250 }),
    outcome: t.string({ maxLength: 63 }),
  }),
});

builder.queryField('auditLog', (t) =>
  t.connection(
    {
      type: AuditEntryRef,
      description: 'Newest first.',
      nullable: true,
      authScopes: { platformAdmin: true },
      args: {
        tenant: t.arg.id({ description: 'Its id or slug, also of one that has been removed for good.' }),
        filter: t.arg({ type: AuditFilterInput }),
      },
      resolve: async (_root, { tenant, filter, ...page }, { services }) => {
        const tenantId = tenant == null ? undefined : ((await findTenantId(services.catalog, tenant)) ?? NOBODY);
        const where: FilterQuery<AuditEntry> = {
          ...(tenantId !== undefined && { tenantId }),
          ...(filter?.actor != null && { actor: filter.actor }),
          ...(filter?.action != null && { action: filter.action }),
          ...(filter?.outcome != null && { outcome: filter.outcome }),
        };
        return entityConnection(services.catalog.fork(), AuditEntry, page, { where, orderBy: { id: 'desc' } });
      },
    },
    { name: 'AuditEntryConnection' },
    { name: 'AuditEntryEdge' },
  ),
);

const NOBODY = '00000000-0000-0000-0000-000000000000';
