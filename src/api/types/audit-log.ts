import type { FilterQuery } from '@mikro-orm/core';
import { AuditEntry } from '../../catalog/entities/audit-entry.entity.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { User } from '../../catalog/entities/user.entity.ts';
import type { TenantDirectory } from '../../catalog/tenant-directory.ts';
import { isUuid } from '../../lib/uuid.ts';
import { entityConnection } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { UserRef } from './account.ts';
import { TenantRef } from './tenant.ts';

const AuditEntryRef = builder.objectType(AuditEntry, {
  name: 'AuditEntry',
  description: 'One thing that somebody did, or tried to.',
  fields: (t) => ({
    id: t.exposeID('id'),
    at: t.field({ type: 'DateTime', resolve: ({ at }) => at }),
    actor: t.exposeString('actor', { description: 'An email address, or what else is known of who it was.' }),
    user: t.loadable({
      type: UserRef,
      nullable: true,
      description: 'Null for somebody without an account, or with one that is gone.',
      load: async (ids: string[], { services }) => {
        const found = await services.catalog.fork().find(User, { id: { $in: ids } });
        return ids.map((id) => found.find((user) => user.id === id) ?? null);
      },
      resolve: ({ userId }) => userId ?? null,
    }),
    action: t.exposeString('action', {
      description: 'The name of a mutation, the operation that was asked for, or a command of the command line.',
    }),
    outcome: t.exposeString('outcome', { description: 'OK, or the code of the error.' }),
    tenant: t.loadable({
      type: TenantRef,
      nullable: true,
      description: 'Null where it concerns none, or one that is gone.',
      load: async (ids: string[], { services }) => {
        const found = await services.catalog.fork().find(Tenant, { id: { $in: ids } });
        return ids.map((id) => found.find((tenant) => tenant.id === id) ?? null);
      },
      resolve: ({ tenantId }) => tenantId ?? null,
    }),
    address: t.string({ nullable: true, resolve: ({ address }) => address ?? null }),
    requestId: t.string({ nullable: true, resolve: ({ requestId }) => requestId ?? null }),
    details: t.string({
      nullable: true,
      description: 'The arguments as JSON, without passwords and tokens; of the first if there were several.',
      resolve: ({ details }) => details ?? null,
    }),
    count: t.exposeInt('count', {
      description:
        'How often it happened within a minute. Refusals are equal whatever their arguments, so that nobody fills the log.',
    }),
    lastAt: t.field({
      type: 'DateTime',
      description: 'When it happened the last time in its minute.',
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
      authScopes: { platformAdmin: true },
      args: {
        tenant: t.arg.id({ description: 'Its id or slug.' }),
        filter: t.arg({ type: AuditFilterInput }),
      },
      resolve: async (_root, { tenant, filter, ...page }, { services }) => {
        const tenantId = tenant == null ? undefined : await tenantIdOf(services.directory, tenant);
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

/** The id of a tenant that is gone is still in the log, its slug is not. */
async function tenantIdOf(directory: Pick<TenantDirectory, 'byReference'>, reference: string): Promise<string> {
  if (isUuid(reference)) return reference;
  return (await directory.byReference(reference))?.id ?? NOBODY;
}
