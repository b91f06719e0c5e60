import { builder } from '../graphql/builder.ts';
import { MAX_PAGE } from '../graphql/connection.ts';
import type { DatabaseHealth, Health } from './check-health.ts';
import { productName, productVersion } from './product.ts';

const DatabaseHealthRef = builder.objectRef<DatabaseHealth>('DatabaseHealth').implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    server: t.exposeString('server'),
    ok: t.exposeBoolean('ok'),
    latencyMs: t.exposeFloat('latencyMs', { nullable: true }),
    error: t.exposeString('error', { nullable: true }),
  }),
});

const HealthStatusRef = builder.enumType('HealthStatus', {
  description: 'OK: all databases answer; DEGRADED: some do not; DOWN: auth does not.',
  values: ['OK', 'DEGRADED', 'DOWN'] as const,
});

const HealthRef = builder.objectRef<Health>('Health').implement({
  fields: (t) => ({
    status: t.field({ type: HealthStatusRef, resolve: ({ status }) => status }),
    databases: t.field({
      type: [DatabaseHealthRef],
      description: `The first ${MAX_PAGE}; the status is of all.`,
      maxItems: MAX_PAGE,
      resolve: ({ databases }) => databases.slice(0, MAX_PAGE),
    }),
  }),
});

const ServerInfoRef = builder.objectRef<{ readonly startedAt: Date }>('ServerInfo').implement({
  fields: (t) => ({
    name: t.string({ resolve: () => productName }),
    version: t.string({ resolve: () => productVersion }),
    startedAt: t.field({ type: 'DateTime', resolve: ({ startedAt }) => startedAt }),
  }),
});

builder.queryFields((t) => ({
  server: t.field({
    type: ServerInfoRef,
    authScopes: { anyone: true },
    resolve: (_root, _args, { services }) => services,
  }),
  health: t.field({
    type: HealthRef,
    description: 'Never fails: what is down is told.',
    authScopes: { anyone: true },
    resolve: (_root, _args, { services }) => services.health(),
  }),
  timestamp: t.field({
    type: 'DateTime',
    description: "PostgreSQL's clock: of the tenant's database when the request names a tenant, else of auth.",
    authScopes: { anyone: true },
    resolve: async (_root, _args, { services, tenant }) => {
      const em = tenant.isNamed ? tenant.em : services.catalog.fork();
      const [row] = await em.execute<{ now: string }[]>('SELECT clock_timestamp() AS now');
      if (!row) throw new Error('PostgreSQL did not tell the time');
      return new Date(row.now);
    },
  }),
}));
