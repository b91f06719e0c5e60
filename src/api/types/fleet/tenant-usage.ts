import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import { readUsages, type TenantUsage } from '../../../monitoring/usage/usage.ts';
import { builder } from '../../builder.ts';

const TenantUsageRef = builder.objectRef<TenantUsage>('TenantUsage').implement({
  description: 'How much a tenant has, and when it was last used.',
  fields: (t) => ({
    databaseBytes: t.exposeFloat('databaseBytes', {
      description: 'The size of its database or, with a schema of its own, of its tables and indexes.',
    }),
    rows: t.exposeFloat('rows', { description: "PostgreSQL's estimate." }),
    files: t.exposeInt('files', { description: 'Files that modules keep of the tenant.' }),
    lastRequestAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it last sent a request, to the minute. Null if it never did.',
      resolve: ({ lastRequestAt }) => lastRequestAt,
    }),
    measuredAt: t.field({
      type: 'DateTime',
      description: 'When the numbers were read.',
      resolve: ({ measuredAt }) => measuredAt,
    }),
  }),
});

builder.objectField(Tenant, 'usage', (t) =>
  t.loadable({
    type: TenantUsageRef,
    nullable: true,
    description:
      'How much the tenant has, and when it was last used. The numbers are at most an hour old or, if it sent no requests since, a day. Null if it was not measured yet; up to five such tenants of a response are measured at once. For platform admins.',
    authScopes: { platformAdmin: true },
    load: async (tenants: Tenant[], { services: { catalog, servers, provisioning, loads, log } }) => {
      const { files } = provisioning;
      const options = { catalog, servers, files, lastRequests: loads.lastRequests, log };
      const found = await readUsages(options, tenants);
      return tenants.map(({ id }) => found.get(id) ?? null);
    },
    resolve: (tenant) => tenant,
  }),
);
