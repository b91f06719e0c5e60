import { migrationScopes } from '../../catalog/entities/migration-record.entity.ts';
import type { Impact } from '../../fleet/impact/impact.ts';
import {
  type FleetPlan,
  PLAN_PAGE,
  pageOfPlan,
  planFleet,
  planRefusal,
  sqlOf,
  stepsOf,
  type TenantPlan,
} from '../../fleet/plan.ts';
import { planWarnings } from '../../fleet/plan-warnings.ts';
import { kindOfFile, type MigrationFile } from '../../migrator/files/migration-file.ts';
import { folderOf } from '../../migrator/files/migration-folders.ts';
import { lintBatch, type MigrationWarning } from '../../migrator/lint/lint.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';
import { pageArgs, pageOfItems, pageSize } from '../list-page.ts';
import { firstImpacts, impactsIn, MigrationImpactRef, TenantImpactRef } from './migration-impact.ts';
import { MigrationWarningRef } from './migration-warning.ts';
import { loadTenant, TenantRef } from './tenant.ts';

/** The GraphQL enum of the kinds of databases that have migrations. */
export const MigrationScopeRef = builder.enumType('MigrationScope', {
  description: 'Which kind of database a migration is for; each kind has its own folder.',
  values: migrationScopes,
});

/** The GraphQL enum of what migrations change. */
export const MigrationKindRef = builder.enumType('MigrationKind', {
  description: 'What a migration changes.',
  values: {
    SCHEMA: { description: 'Tables or rows, in one go.' },
    BACKFILL: { description: 'The rows of one table, in batches that are committed one by one while requests go on.' },
  } as const,
});

/** A hundred migrations with as many warnings stay below the limit of an operation's cost. */
const SHOWN_WARNINGS = 20;

/** A file that may be part of a plan. */
interface ShownMigration extends MigrationFile {
  /** The warnings for the batches of the plan that have it. */
  readonly warningsInPlan?: () => readonly MigrationWarning[];
}

const MigrationRef = builder.objectRef<ShownMigration>('Migration').implement({
  description: 'A migration file of this installation.',
  fields: (t) => ({
    name: t.exposeString('name'),
    scope: t.field({ type: MigrationScopeRef, resolve: ({ scope }) => scope }),
    kind: t.field({ type: MigrationKindRef, resolve: kindOfFile }),
    hash: t.exposeString('hash', { description: 'SHA-256 of the file.' }),
    transactional: t.exposeBoolean('transactional'),
    reversible: t.exposeBoolean('reversible', { description: 'Whether it has a down().' }),
    statements: t.stringList({
      nullable: true,
      description:
        "Null if the migration queries the database while it runs, so that its statements are not known in advance. A backfill's statement is shown for all rows at once.",
      maxItems: MAX_TEXTS,
      resolve: ({ statements }) => statements,
    }),
    warnings: t.field({
      type: [MigrationWarningRef],
      description:
        'What its up() can do to tables with rows. In a plan, tables that the same batch creates are left out; otherwise those that the file itself creates.',
      args: { first: t.arg.int({ defaultValue: SHOWN_WARNINGS, description: `From 1 to ${MAX_PAGE}.` }) },
      maxItems: MAX_PAGE,
      resolve: (file, page) => (file.warningsInPlan?.() ?? lintBatch([file])).slice(0, pageSize(page)),
    }),
  }),
});

/** A plan, and what its statements will meet if a client asked for it. */
interface ShownPlan extends FleetPlan {
  readonly impacts?: readonly Impact[];
}

/** A tenant of a {@link ShownPlan}. */
interface ShownTenantPlan extends TenantPlan {
  readonly impacts: readonly Impact[] | undefined;
}

const TenantPlanRef = builder.objectRef<ShownTenantPlan>('TenantPlan').implement({
  fields: (t) => ({
    tenant: t.field({ type: TenantRef, resolve: ({ tenant: { id } }, _args, context) => loadTenant(context, id) }),
    pending: t.stringList({
      description:
        "The names of the migrations that would be applied, in order: those that the database's schema common lacks, then the tenant's own.",
      maxItems: MAX_TEXTS,
      resolve: (found) => stepsOf(found).map(({ name }) => name),
    }),
    sql: t.stringList({
      description: 'The statements that would be executed, in order.',
      maxItems: MAX_TEXTS,
      resolve: (found) => sqlOf(stepsOf(found)),
    }),
    refusal: t.string({
      nullable: true,
      description: 'Why no migration can be applied.',
      resolve: planRefusal,
    }),
    warnings: t.stringList({
      maxItems: MAX_TEXTS,
      resolve: ({ plan }) => (plan.kind === 'steps' ? plan.warnings : []),
    }),
    impact: t.field({
      type: [TenantImpactRef],
      nullable: true,
      description: 'What dangerous statements will meet in this tenant. Null without impact: true.',
      args: firstImpacts,
      maxItems: MAX_PAGE,
      resolve: ({ impacts, tenant }, page) => impactsIn(impacts, tenant, page),
    }),
  }),
});

const MigrationPlanRef = builder.objectRef<ShownPlan>('MigrationPlan').implement({
  description: 'What a run would do now.',
  fields: (t) => ({
    tenants: t.field({
      type: [TenantPlanRef],
      description:
        'The tenants that are not up to date, oldest first: totalCount - upToDateCount in total. A page has at most 1000.',
      args: {
        first: t.arg.int({ defaultValue: PLAN_PAGE.default }),
        after: t.arg.id({ description: 'The id or slug of the last tenant of the previous page.' }),
      },
      maxItems: PLAN_PAGE.max,
      resolve: async (plan, { first, after }, { services }) => {
        const page = await pageOfPlan(services.catalog, plan, first ?? PLAN_PAGE.default, after);
        return page.map((found) => ({ ...found, impacts: plan.impacts }));
      },
    }),
    totalCount: t.exposeInt('totalCount', { description: 'The number of tenants that a run would check.' }),
    upToDateCount: t.exposeInt('upToDateCount'),
    impact: t.field({
      type: [MigrationImpactRef],
      nullable: true,
      description: 'What each dangerous statement will meet in the tenants. Null without impact: true.',
      args: firstImpacts,
      maxItems: MAX_PAGE,
      resolve: ({ impacts }, page) => impacts?.slice(0, pageSize(page)) ?? null,
    }),
    migrations: t.field({
      type: [MigrationRef],
      description: 'Every migration that some tenant is missing.',
      maxItems: MAX_PAGE,
      args: pageArgs('The name'),
      resolve: (plan, page) => {
        // Most clients don't ask for warnings.
        let found: Map<string, MigrationWarning[]> | undefined;
        const warningsOf = (name: string) => {
          found ??= Map.groupBy(planWarnings(plan), ({ migration }) => migration);
          return found.get(name) ?? [];
        };
        return pageOfItems(plan.migrations, page, ({ name }) => [name]).map((file) => ({
          ...file,
          warningsInPlan: () => warningsOf(file.name),
        }));
      },
    }),
  }),
});

const MigrationPlanInput = builder.inputType('MigrationPlanInput', {
  fields: (t) => ({
    tenants: t.idList({ maxItems: 10_000, description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({ maxLength: 255, description: 'The last migration to apply; by default the newest.' }),
    verify: t.boolean({
      defaultValue: false,
      description: 'Check the database of each tenant instead of trusting the catalog.',
    }),
    impact: t.boolean({
      defaultValue: false,
      description:
        'Look into the tenants for the sizes of the tables that dangerous statements concern, for a minute at most, and estimate how long these are locked.',
    }),
  }),
});

/** It connects to all tenants that are not up to date. */
const COST_OF_IMPACT = 1000;

builder.queryFields((t) => ({
  migrations: t.field({
    type: [MigrationRef],
    description: 'The migration files, in the order in which they are applied.',
    nullable: true,
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
    description: 'What a run with the same arguments would do. Changes nothing.',
    nullable: true,
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: MigrationPlanInput }) },
    cost: ({ input }) => (input?.impact ? COST_OF_IMPACT : 1),
    resolve: async (_root, { input }, { services }): Promise<ShownPlan> => {
      const plan = await planFleet(
        {
          catalog: services.catalog,
          connections: services.tenants,
          files: await services.migrations.tenant.read(),
          common: await services.migrations.common.read(),
          concurrency: services.config.migrations.concurrency,
        },
        { tenants: input?.tenants ?? undefined, to: input?.to ?? undefined, verify: input?.verify ?? false },
      );
      return input?.impact ? { ...plan, impacts: await services.impacts.measure(plan) } : plan;
    },
  }),
}));
