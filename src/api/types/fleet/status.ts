import type { FleetCounts } from '../../../fleet/overview/fleet-counts.ts';
import { MAX_PAGE } from '../../../orm/pagination.ts';
import { builder } from '../../builder.ts';
import { IsolationRef, TenantStatusRef } from '../tenant.ts';

type CountOf<List extends keyof FleetCounts> = FleetCounts[List] extends readonly (infer Item)[] ? Item : never;

/** The cost of a field of a count: it is in memory already. */
const COST = 0.1;

const StatusCountRef = builder.objectRef<CountOf<'byStatus'>>('TenantStatusCount').implement({
  fields: (t) => ({
    status: t.field({ type: TenantStatusRef, cost: COST, resolve: ({ status }) => status }),
    count: t.exposeInt('count', { cost: COST }),
  }),
});

const VersionCountRef = builder.objectRef<CountOf<'byVersion'>>('TenantVersionCount').implement({
  fields: (t) => ({
    version: t.exposeString('version', {
      nullable: true,
      cost: COST,
      description: 'The last migration applied. Null if none is, or if it is unknown.',
    }),
    count: t.exposeInt('count', { cost: COST }),
    behind: t.exposeInt('behind', { cost: COST, description: 'How many of them are behind.' }),
  }),
});

const ServerCountRef = builder.objectRef<CountOf<'byServer'>>('TenantServerCount').implement({
  fields: (t) => ({
    server: t.exposeString('server', { cost: COST }),
    count: t.exposeInt('count', { cost: COST }),
  }),
});

const IsolationCountRef = builder.objectRef<CountOf<'byIsolation'>>('TenantIsolationCount').implement({
  fields: (t) => ({
    isolation: t.field({ type: IsolationRef, cost: COST, resolve: ({ isolation }) => isolation }),
    count: t.exposeInt('count', { cost: COST }),
  }),
});

/** The GraphQL type of the tenants in numbers. */
export const FleetStatusRef = builder.objectRef<FleetCounts>('FleetStatus').implement({
  description:
    'The tenants in numbers, according to the catalog. In a very large fleet the numbers may be a second old.',
  fields: (t) => ({
    total: t.exposeInt('total', { description: 'All tenants, whatever their status.' }),
    behind: t.exposeInt('behind', {
      description:
        'Tenants that lack a migration and that a run would migrate. Not counted: tenants that are being created or deleted, or need attention.',
    }),
    needsAttention: t.exposeInt('needsAttention', { description: 'Tenants with the status NEEDS_ATTENTION.' }),
    byStatus: t.field({ type: [StatusCountRef], maxItems: MAX_PAGE, resolve: ({ byStatus }) => byStatus }),
    byVersion: t.field({
      type: [VersionCountRef],
      maxItems: MAX_PAGE,
      description: `Newest first, at most ${MAX_PAGE}.`,
      resolve: ({ byVersion }) => byVersion.slice(0, MAX_PAGE),
    }),
    byServer: t.field({
      type: [ServerCountRef],
      maxItems: MAX_PAGE,
      description: `The server with the most tenants first, at most ${MAX_PAGE}.`,
      resolve: ({ byServer }) => byServer.slice(0, MAX_PAGE),
    }),
    byIsolation: t.field({ type: [IsolationCountRef], maxItems: MAX_PAGE, resolve: ({ byIsolation }) => byIsolation }),
  }),
});

builder.queryField('fleetStatus', (t) =>
  t.field({
    type: FleetStatusRef,
    nullable: true,
    authScopes: { platformAdmin: true },
    resolve: (_root, _args, { services }) => services.fleet.counts(),
  }),
);
