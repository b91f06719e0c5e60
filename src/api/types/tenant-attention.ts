import type { Resolution } from '../../tenants/attention.ts';
import { resolveTenantAttention } from '../../tenants/attention-view.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';
import { TenantRef } from './tenant.ts';

const ResolutionRef = builder.objectRef<Resolution>('TenantResolution').implement({
  description: 'What was found in a tenant, and what came of it.',
  fields: (t) => ({
    tenant: t.field({ type: TenantRef, description: 'As it is now.', resolve: ({ tenant }) => tenant }),
    resolved: t.exposeBoolean('resolved', {
      description: 'Whether it has the status again that it had before it needed attention.',
    }),
    applied: t.stringList({
      description: 'In the order of application.',
      maxItems: MAX_TEXTS,
      resolve: ({ applied }) => applied,
    }),
    pending: t.stringList({
      description: 'What a run would apply; empty also if the history does not fit the files.',
      maxItems: MAX_TEXTS,
      resolve: ({ pending }) => pending,
    }),
    lastFailure: t.exposeString('lastFailure', {
      nullable: true,
      description: 'The last attempt that failed and has not succeeded since.',
    }),
    problems: t.stringList({
      description: 'What speaks against serving it; with any, it is resolved only by force: true.',
      maxItems: MAX_TEXTS,
      resolve: ({ problems }) => problems,
    }),
  }),
});

builder.mutationField('resolveTenant', (t) =>
  t.field({
    type: ResolutionRef,
    description:
      'Looks into a tenant, and corrects what the catalog knows of its migrations. A tenant that NEEDS_ATTENTION is served again if nothing speaks against it, or by force.',
    authScopes: { platformAdmin: true },
    args: {
      tenant: t.arg.id({ required: true, description: 'Its id or slug.' }),
      force: t.arg.boolean({ defaultValue: false, description: 'Serve it again in spite of problems.' }),
    },
    resolve: (_root, { tenant, force }, { services }) => resolveTenantAttention(services, tenant, force ?? false),
  }),
);
