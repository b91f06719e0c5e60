import { type Resolution, resolveAttention } from '../../tenants/attention.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';
import { TenantRef } from './tenant.ts';

const ResolutionRef = builder.objectRef<Resolution>('TenantResolution').implement({
  description: 'The result of checking a tenant that needed attention.',
  fields: (t) => ({
    tenant: t.field({ type: TenantRef, description: 'The tenant after the check.', resolve: ({ tenant }) => tenant }),
    resolved: t.exposeBoolean('resolved', {
      description: 'Whether the tenant has the status that it had before it needed attention.',
    }),
    applied: t.stringList({
      description: 'In the order in which they were applied.',
      maxItems: MAX_TEXTS,
      resolve: ({ applied }) => applied,
    }),
    pending: t.stringList({
      description: 'The migrations that a run would apply; also empty if the history does not match the files.',
      maxItems: MAX_TEXTS,
      resolve: ({ pending }) => pending,
    }),
    lastFailure: t.exposeString('lastFailure', {
      nullable: true,
      description: 'The last failed attempt, if it has not succeeded since.',
    }),
    problems: t.stringList({
      description: 'Reasons not to serve the tenant; if there are any, force: true is required.',
      maxItems: MAX_TEXTS,
      resolve: ({ problems }) => problems,
    }),
  }),
});

builder.mutationField('resolveTenant', (t) =>
  t.field({
    type: ResolutionRef,
    description:
      "Checks a tenant's database and corrects its migrations in the catalog. A tenant with the status NEEDS_ATTENTION is served again if no problems are found, or with force.",
    authScopes: { platformAdmin: true },
    args: {
      tenant: t.arg.id({ required: true, description: 'Its id or slug.' }),
      force: t.arg.boolean({ defaultValue: false, description: 'Serve the tenant again despite problems.' }),
    },
    resolve: (_root, { tenant, force }, { services }) => resolveAttention(services, tenant, force ?? false),
  }),
);
