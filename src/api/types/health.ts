import type { DatabaseHealth, Health } from '../../health/check.ts';
import { productName, productVersion } from '../../lib/version.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';

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
  description: 'OK: all databases respond. DEGRADED: some do not. DOWN: auth does not.',
  values: ['OK', 'DEGRADED', 'DOWN'] as const,
});

const HealthRef = builder.objectRef<Health>('Health').implement({
  fields: (t) => ({
    status: t.field({ type: HealthStatusRef, resolve: ({ status }) => status }),
    notificationQueueUsage: t.exposeFloat('notificationQueueUsage', {
      nullable: true,
      authScopes: { platformAdmin: true },
      description:
        'For platform admins: how full the notification queue of the first PostgreSQL server is, from 0 to 1. Above one half, changes are detected by polling.',
    }),
    databases: t.field({
      type: [DatabaseHealthRef],
      description: `For platform admins: the first ${MAX_PAGE} databases and servers; the status covers all of them. Empty for everyone else.`,
      maxItems: MAX_PAGE,
      resolve: ({ databases }, _args, { identity }) => (identity?.isPlatformAdmin ? databases.slice(0, MAX_PAGE) : []),
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
    description: 'Never fails: it reports what is down.',
    authScopes: { anyone: true },
    resolve: (_root, _args, { services }) => services.health(),
  }),
  timestamp: t.field({
    type: 'DateTime',
    description:
      "The time by PostgreSQL's clock: on the tenant's database if the request names a tenant, otherwise on auth.",
    authScopes: { anyone: true },
    resolve: async (_root, _args, { services, tenant }) => {
      const em = tenant.isNamed ? tenant.em : services.catalog.fork();
      const [row] = await em.execute<{ now: string }[]>('SELECT clock_timestamp() AS now');
      if (!row) throw new Error('PostgreSQL did not return the time');
      return new Date(row.now);
    },
  }),
}));
