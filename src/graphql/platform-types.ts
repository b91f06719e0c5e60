import { MigrationRun } from '../catalog/migration-run.entity.ts';
import { isolations, Tenant, tenantStatuses } from '../catalog/tenant.entity.ts';
import { Country } from '../constants/country.entity.ts';
import { Currency } from '../constants/currency.entity.ts';
import type { RunEvent } from '../events/run-events.ts';
import type { DatabaseHealth, Health } from '../health.ts';
import { builder } from './builder.ts';

export const IsolationRef = builder.enumType('Isolation', { values: isolations });
export const TenantStatusRef = builder.enumType('TenantStatus', { values: tenantStatuses });

const PlacementRef = builder.objectRef<Tenant>('Placement').implement({
  fields: (t) => ({
    server: t.exposeString('server'),
    database: t.exposeString('database'),
    schema: t.exposeString('schema'),
  }),
});

export const TenantRef = builder.objectType(Tenant, {
  name: 'Tenant',
  fields: (t) => ({
    id: t.exposeID('id'),
    slug: t.exposeString('slug'),
    name: t.exposeString('name'),
    host: t.string({ nullable: true, resolve: ({ host }) => host ?? null }),
    status: t.field({ type: TenantStatusRef, resolve: ({ status }) => status }),
    isolation: t.field({ type: IsolationRef, resolve: ({ isolation }) => isolation }),
    placement: t.field({ type: PlacementRef, resolve: (tenant) => tenant }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
  }),
});

export const RunRef = builder.objectType(MigrationRun, {
  name: 'MigrationRun',
  fields: (t) => ({
    id: t.exposeID('id'),
    status: t.field({ type: RunStatusRef, resolve: ({ status }) => status }),
    dryRun: t.boolean({ resolve: ({ options }) => options.dryRun }),
    checkpoint: t.exposeString('checkpoint'),
    total: t.exposeInt('total'),
    succeeded: t.exposeInt('succeeded'),
    failed: t.exposeInt('failed'),
    skipped: t.exposeInt('skipped'),
    pending: t.int({
      resolve: ({ total, succeeded, failed, skipped, cancelled }) => total - succeeded - failed - skipped - cancelled,
    }),
  }),
});

const RunStatusRef = builder.enumType('MigrationRunStatus', {
  values: ['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED'] as const,
});

export const EventRef = builder.objectRef<RunEvent>('MigrationEvent').implement({
  fields: (t) => ({
    seq: t.exposeInt('seq'),
    at: t.field({ type: 'DateTime', resolve: ({ at }) => new Date(at) }),
    kind: t.exposeString('kind'),
    tenant: t.loadable({
      type: TenantRef,
      nullable: true,
      load: async (ids: string[], { services }) => {
        const tenants = await services.catalog.fork().find(Tenant, { id: ids });
        const byId = new Map(tenants.map((tenant) => [tenant.id, tenant]));
        return ids.map((id) => byId.get(id) ?? null);
      },
      resolve: ({ tenantId }) => tenantId,
    }),
    migration: t.exposeString('migration', { nullable: true }),
    message: t.exposeString('message', { nullable: true }),
    done: t.exposeInt('done'),
    total: t.exposeInt('total'),
  }),
});

const DatabaseHealthRef = builder.objectRef<DatabaseHealth>('DatabaseHealth').implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    server: t.exposeString('server'),
    ok: t.exposeBoolean('ok'),
    latencyMs: t.exposeFloat('latencyMs', { nullable: true }),
    error: t.exposeString('error', { nullable: true }),
  }),
});

const HealthStatusRef = builder.enumType('HealthStatus', { values: ['OK', 'DEGRADED', 'DOWN'] as const });

export const HealthRef = builder.objectRef<Health>('Health').implement({
  fields: (t) => ({
    status: t.field({ type: HealthStatusRef, resolve: ({ status }) => status }),
    databases: t.field({ type: [DatabaseHealthRef], resolve: ({ databases }) => [...databases] }),
  }),
});

export const CurrencyRef = builder.objectType(Currency, {
  name: 'Currency',
  fields: (t) => ({ code: t.exposeString('code'), name: t.exposeString('name'), digits: t.exposeInt('digits') }),
});

export const CountryRef = builder.objectType(Country, {
  name: 'Country',
  fields: (t) => ({ code: t.exposeString('code'), name: t.exposeString('name') }),
});
