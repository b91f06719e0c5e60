import { MigrationRun } from '../catalog/migration-run.entity.ts';
import { Tenant } from '../catalog/tenant.entity.ts';
import { Country } from '../constants/country.entity.ts';
import { Currency } from '../constants/currency.entity.ts';
import { followRun } from '../events/run-events.ts';
import { checkHealth } from '../health.ts';
import { createTenant } from '../provisioning/create-tenant.ts';
import { builder } from './builder.ts';
import { entityConnection } from './connection.ts';
import { CountryRef, CurrencyRef, EventRef, HealthRef, IsolationRef, RunRef, TenantRef } from './platform-types.ts';

const CreateTenantInput = builder.inputType('CreateTenantInput', {
  fields: (t) => ({
    slug: t.string({ required: true }),
    name: t.string({ required: true }),
    isolation: t.field({ type: IsolationRef }),
    host: t.string(),
    server: t.string(),
  }),
});

const RunMigrationsInput = builder.inputType('RunMigrationsInput', {
  fields: (t) => ({
    tenants: t.idList({ description: 'Ids or slugs; by default the whole fleet' }),
    to: t.string(),
    dryRun: t.boolean({ defaultValue: false }),
    continueOnError: t.boolean({ defaultValue: true }),
    concurrency: t.int(),
    maxFailures: t.int(),
    verify: t.boolean({ defaultValue: false }),
    wait: t.boolean({ defaultValue: false }),
  }),
});

builder.queryFields((t) => ({
  health: t.field({
    type: HealthRef,
    authScopes: { anyone: true },
    resolve: (_, __, { services }) => checkHealth(services),
  }),
  currencies: t.field({
    type: [CurrencyRef],
    authScopes: { anyone: true },
    resolve: (_, __, { services }) => services.constants.fork().find(Currency, {}, { orderBy: { code: 'asc' } }),
  }),
  countries: t.field({
    type: [CountryRef],
    authScopes: { anyone: true },
    resolve: (_, __, { services }) => services.constants.fork().find(Country, {}, { orderBy: { code: 'asc' } }),
  }),
  tenants: t.connection({
    type: TenantRef,
    authScopes: { platformAdmin: true },
    resolve: (_, args, { services }) =>
      entityConnection(services.catalog.fork(), Tenant, args, { orderBy: { createdAt: 'asc', id: 'asc' } }),
  }),
  migrationRun: t.field({
    type: RunRef,
    nullable: true,
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_, { id }, { services }) => services.catalog.fork().findOne(MigrationRun, { id }),
  }),
}));

builder.mutationFields((t) => ({
  createTenant: t.field({
    type: TenantRef,
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: CreateTenantInput, required: true }) },
    resolve: (_, { input }, { services }) =>
      createTenant(services.provisioning, {
        ...input,
        isolation: input.isolation ?? undefined,
        host: input.host ?? undefined,
        server: input.server ?? undefined,
      }),
  }),
  runMigrations: t.field({
    type: RunRef,
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: RunMigrationsInput }) },
    resolve: async (_, { input }, { services, signal }) => {
      const id = await services.runner.run({
        tenants: input?.tenants ?? undefined,
        ...(input?.to && { to: input.to }),
        dryRun: input?.dryRun ?? false,
        continueOnError: input?.continueOnError ?? true,
        concurrency: input?.concurrency ?? services.config.migrations.concurrency,
        ...(input?.maxFailures != null && { maxFailures: input.maxFailures }),
        verify: input?.verify ?? false,
      });
      if (input?.wait) {
        const events = followRun(services.catalog, services.listener, id, 0, signal);
        while (!(await events.next()).done);
      }
      return services.catalog.fork().findOneOrFail(MigrationRun, { id });
    },
  }),
}));

builder.subscriptionField('migrationProgress', (t) =>
  t.field({
    type: EventRef,
    authScopes: { platformAdmin: true },
    args: { run: t.arg.id({ required: true }), after: t.arg.int({ defaultValue: 0 }) },
    subscribe: (_, { run, after }, { services, signal }) =>
      followRun(services.catalog, services.listener, run, after ?? 0, signal),
    resolve: (event) => event,
  }),
);
