import { type ClonedFrom, isolations, Tenant, type TenantStatus } from '../../catalog/entities/tenant.entity.ts';
import type { Placement } from '../../routing/placement.ts';
import { readNodesOf } from '../../servers/citus/tenant-nodes.ts';
import { builder } from '../builder.ts';
import { inOrder, requestLoader } from '../request-loader.ts';

/** The GraphQL enum of isolations. */
export const IsolationRef = builder.enumType('Isolation', {
  description:
    "DATABASE: the tenant has its own database. SCHEMA: it has its own schema in its server's shared database.",
  values: isolations,
});

/** The GraphQL enum of the statuses of a tenant. */
export const TenantStatusRef = builder.enumType('TenantStatus', {
  values: {
    PROVISIONING: { description: 'It is being created.' },
    ACTIVE: { description: 'It is served.' },
    SUSPENDED: { description: 'It is not served until somebody activates it.' },
    MAINTENANCE: { description: 'Its database is being copied or replaced.' },
    NEEDS_ATTENTION: {
      description: 'A migration failed and could not be reverted. It is not served until somebody resolves it.',
    },
    DELETED: { description: 'It is in the bin: not served, and undeleteTenant brings it back until purgeAt.' },
    DELETING: { description: 'It is being removed for good.' },
  } satisfies Record<TenantStatus, { description: string }>,
});

/** Loads a tenant by its id. */
export const loadTenant = requestLoader(async (ids, { services }) =>
  inOrder(ids, await services.catalog.fork().find(Tenant, { id: { $in: [...ids] } })),
);

/** A placement, for GraphQL. Its node is read from the server unless it is known. */
type ShownPlacement = Placement & { readonly node?: string | null };

/** Reads the nodes of placements, given as JSON. */
const loadNode = requestLoader(async (keys, { services }) => {
  // The keys are made below.
  const nodes = await readNodesOf(
    services.servers,
    keys.map((key) => JSON.parse(key) as Placement),
  );
  return nodes.map((node) => node ?? null);
});

/** The GraphQL type of a placement. */
export const PlacementRef = builder.objectRef<ShownPlacement>('Placement').implement({
  description: "Where a tenant's tables are stored.",
  fields: (t) => ({
    server: t.exposeString('server'),
    database: t.exposeString('database'),
    schema: t.exposeString('schema'),
    node: t.string({
      nullable: true,
      description:
        'The node of the Citus cluster of its server that has the tables, such as worker-2:5432; null if they are on none, or if the server does not answer.',
      resolve: ({ server, database, schema, node }, _args, context) =>
        node === undefined ? loadNode(context, JSON.stringify({ server, database, schema })) : node,
    }),
  }),
});

const ClonedFromRef = builder.objectRef<ClonedFrom>('ClonedFrom').implement({
  description: 'What a tenant is a clone of.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id of the other tenant, which may have been deleted since.' }),
    slug: t.exposeString('slug', { description: 'Its slug.' }),
    checkpoint: t.string({
      nullable: true,
      description: 'The name of the checkpoint, if the clone is of one.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
  }),
});

/** The GraphQL type of a tenant, for platform admins and the tenant's own members. */
export const TenantRef = builder.objectType(Tenant, {
  name: 'Tenant',
  fields: (t) => ({
    id: t.exposeID('id'),
    slug: t.exposeString('slug'),
    name: t.exposeString('name'),
    host: t.string({ nullable: true, resolve: ({ host }) => host ?? null }),
    status: t.field({ type: TenantStatusRef, resolve: ({ status }) => status }),
    isolation: t.field({ type: IsolationRef, resolve: ({ isolation }) => isolation }),
    placement: t.field({
      type: PlacementRef,
      description: 'For platform admins.',
      authScopes: { platformAdmin: true },
      resolve: (tenant) => tenant,
    }),
    deletedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was put into the bin, or its removal began. For platform admins.',
      authScopes: { platformAdmin: true },
      resolve: ({ deletedAt }) => deletedAt ?? null,
    }),
    deletedBy: t.string({
      nullable: true,
      description: 'Who did that. For platform admins.',
      authScopes: { platformAdmin: true },
      resolve: ({ deletedBy }) => deletedBy ?? null,
    }),
    purgeAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'While it is DELETED: when it is removed for good. For platform admins.',
      authScopes: { platformAdmin: true },
      resolve: ({ purgeAt }) => purgeAt ?? null,
    }),
    clonedFrom: t.field({
      type: ClonedFromRef,
      nullable: true,
      description: 'What the tenant is a clone of; null if it is none.',
      resolve: ({ clonedFrom }) => clonedFrom ?? null,
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
  }),
});
