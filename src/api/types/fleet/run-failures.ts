import { MigrationRun } from '../../../catalog/entities/migration-run.entity.ts';
import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import {
  type FailureGroup,
  MAX_GROUP_TENANTS,
  MAX_GROUPS,
  readFailureGroups,
} from '../../../fleet/failures/failure-groups.ts';
import { pageSizeOf } from '../../../orm/pagination.ts';
import { builder } from '../../builder.ts';
import { TenantRef } from '../tenant.ts';

const FailureGroupRef = builder.objectRef<FailureGroup>('MigrationFailureGroup').implement({
  description: 'Tenants of a run that failed in the same way.',
  fields: (t) => ({
    error: t.exposeString('error', {
      description:
        "The error without the tenants' own words: slugs, names of schemas and databases, ids, numbers and values in quotes are replaced by “…”. A tenant's own error is in `items`.",
    }),
    code: t.exposeString('code', {
      nullable: true,
      description: "PostgreSQL's SQLSTATE such as 23505, or a code such as MIGRATION_CHANGED or ECONNREFUSED.",
    }),
    migration: t.exposeString('migration', { nullable: true, description: 'The migration that failed.' }),
    statement: t.exposeString('statement', {
      nullable: true,
      description: 'The beginning of the statement that failed, without values.',
    }),
    count: t.exposeInt('count', { description: 'How many tenants, including those deleted since.' }),
    tenants: t.loadableList({
      type: TenantRef,
      maxItems: MAX_GROUP_TENANTS,
      args: { first: t.arg.int({ defaultValue: 10, description: `From 1 to ${MAX_GROUP_TENANTS}.` }) },
      description: 'The first of them in the order of the run, without those deleted since.',
      load: async (lists: string[][], { services }) => {
        const found = await services.catalog.fork().find(Tenant, { id: { $in: [...new Set(lists.flat())] } });
        const tenants = new Map(found.map((tenant) => [tenant.id, tenant]));
        return lists.map((ids) => ids.flatMap((id) => tenants.get(id) ?? []));
      },
      resolve: ({ tenants }, { first }) => tenants.slice(0, pageSizeOf({ first }, MAX_GROUP_TENANTS, 10)),
    }),
  }),
});

builder.objectField(MigrationRun, 'failures', (t) =>
  t.loadableList({
    type: FailureGroupRef,
    maxItems: MAX_GROUPS,
    // It reads all failed tenants of the run.
    cost: 10,
    description: `The failed tenants, grouped by their errors, the most frequent first. At most ${MAX_GROUPS} groups.`,
    load: (runs: string[], { services }) => services.catalog.use((client) => readFailureGroups(client, runs)),
    resolve: ({ id }) => id,
  }),
);
