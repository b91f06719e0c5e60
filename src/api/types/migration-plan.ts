import { migrationScopes } from '../../catalog/entities/migration-record.entity.ts';
import {
  type FleetPlan,
  PLAN_PAGE,
  pageOfPlan,
  planFleet,
  refusalOf,
  sqlOf,
  type TenantPlan,
} from '../../fleet/plan.ts';
import type { MigrationFile } from '../../migrator/files/migration-files.ts';
import { folderOf } from '../../migrator/files/migration-folders.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';
import { pageArgs, pageOfItems } from '../list-page.ts';
import { TenantRef } from './tenant.ts';

/** The GraphQL enum of the kinds of databases. */
export const MigrationScopeRef = builder.enumType('MigrationScope', {
  description: 'Which kind of database a migration is for; each has a folder of its own.',
  values: migrationScopes,
});

const MigrationRef = builder.objectRef<MigrationFile>('Migration').implement({
  description: 'A migration that the code has.',
  fields: (t) => ({
    name: t.exposeString('name'),
    scope: t.field({ type: MigrationScopeRef, resolve: ({ scope }) => scope }),
    hash: t.exposeString('hash', { description: "SHA-256 of the file's text." }),
    transactional: t.exposeBoolean('transactional'),
    reversible: t.exposeBoolean('reversible', { description: 'Whether it has a down().' }),
    statements: t.stringList({
      nullable: true,
      description: 'Null if it asks the database while it runs, so that its statements cannot be told beforehand.',
      maxItems: MAX_TEXTS,
      resolve: ({ statements }) => statements,
    }),
  }),
});

const TenantPlanRef = builder.objectRef<TenantPlan>('TenantPlan').implement({
  fields: (t) => ({
    tenant: t.field({ type: TenantRef, resolve: ({ tenant }) => tenant }),
    pending: t.stringList({
      description: 'Names of the migrations that would be applied, in order.',
      maxItems: MAX_TEXTS,
      resolve: ({ plan }) => (plan.kind === 'steps' ? plan.steps.map(({ name }) => name) : []),
    }),
    sql: t.stringList({
      description: 'The statements that would be sent, in order.',
      maxItems: MAX_TEXTS,
      resolve: ({ plan }) => (plan.kind === 'steps' ? sqlOf(plan.steps) : []),
    }),
    refusal: t.string({
      nullable: true,
      description: 'Why nothing may be applied.',
      resolve: refusalOf,
    }),
    warnings: t.stringList({
      maxItems: MAX_TEXTS,
      resolve: ({ plan }) => (plan.kind === 'steps' ? plan.warnings : []),
    }),
  }),
});

const MigrationPlanRef = builder.objectRef<FleetPlan>('MigrationPlan').implement({
  description: 'What a run would do now.',
  fields: (t) => ({
    tenants: t.field({
      type: [TenantPlanRef],
      description:
        'Those that are not up to date, oldest first: totalCount - upToDateCount altogether. The largest page has 1000.',
      args: {
        first: t.arg.int({ defaultValue: PLAN_PAGE.default }),
        after: t.arg.id({ description: 'The id or slug of the last tenant of the page before.' }),
      },
      maxItems: PLAN_PAGE.max,
      resolve: (plan, { first, after }) => pageOfPlan(plan, first ?? PLAN_PAGE.default, after),
    }),
    totalCount: t.exposeInt('totalCount', { description: 'All tenants that a run would look at.' }),
    upToDateCount: t.exposeInt('upToDateCount'),
    migrations: t.field({
      type: [MigrationRef],
      description: 'Every migration that some tenant lacks.',
      maxItems: MAX_PAGE,
      args: pageArgs('The name'),
      resolve: ({ migrations }, page) => pageOfItems(migrations, page, ({ name }) => [name]),
    }),
  }),
});

const MigrationPlanInput = builder.inputType('MigrationPlanInput', {
  fields: (t) => ({
    tenants: t.idList({ maxItems: 10_000, description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({ maxLength: 255, description: 'The last migration to apply; by default the newest.' }),
    verify: t.boolean({
      defaultValue: false,
      description: 'Look into each tenant, instead of believing the catalog.',
    }),
  }),
});

builder.queryFields((t) => ({
  migrations: t.field({
    type: [MigrationRef],
    description: 'What the code has, in the order in which it is applied.',
    authScopes: { platformAdmin: true },
    maxItems: MAX_PAGE,
    args: {
      scope: t.arg({ type: MigrationScopeRef, required: true, defaultValue: 'TENANT' }),
      ...pageArgs('The name'),
    },
    resolve: async (_root, { scope, ...page }, { services }) =>
      pageOfItems(await folderOf(services.migrations, scope).read(), page, ({ name }) => [name]),
  }),
  migrationPlan: t.field({
    type: MigrationPlanRef,
    description: 'What a run with the same arguments would do. Nothing is changed.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: MigrationPlanInput }) },
    resolve: async (_root, { input }, { services }) =>
      planFleet(
        {
          catalog: services.catalog,
          connections: services.tenants,
          files: await services.migrations.tenant.read(),
          concurrency: services.config.migrations.concurrency,
        },
        { tenants: input?.tenants ?? undefined, to: input?.to ?? undefined, verify: input?.verify ?? false },
      ),
  }),
}));
