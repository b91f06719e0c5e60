import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { tenantWhere } from '../../catalog/find-tenants.ts';
import { showHost } from '../../config/server-hosts.ts';
import { statesByProgress } from '../../fleet/tenant-states.ts';
import { AppError, badInput } from '../../lib/errors.ts';
import { isUuid } from '../../lib/uuid.ts';
import { DEFAULT_PAGE, entityConnection, MAX_PAGE } from '../../orm/pagination.ts';
import { readCapacity } from '../../servers/budgets/capacity.ts';
import { noBudgets, readTogether, type Together } from '../../servers/budgets/store.ts';
import { readServerNodes, type ServerNode } from '../../servers/citus/tenant-nodes.ts';
import { type DatabaseInfo, type DatabaseListing, listDatabases } from '../../servers/list-databases.ts';
import type { KnownServer } from '../../servers/registry.ts';
import { createTenant } from '../../tenants/create.ts';
import { builder } from '../builder.ts';
import { callerOf } from '../context.ts';
import { SortOrder } from '../entities/inputs.ts';
import { pageArgs, pageOfItems } from '../list-page.ts';
import { requestLoader } from '../request-loader.ts';
import { listTenants } from './fleet/tenant-list.ts';
import { IsolationRef, TenantRef, TenantStatusRef } from './tenant.ts';

const DatabaseRef = builder.objectRef<DatabaseInfo>('Database').implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    server: t.exposeString('server'),
    sizeBytes: t.float({ nullable: true, resolve: ({ sizeBytes }) => sizeBytes ?? null }),
    tenants: t.field({
      type: [TenantRef],
      maxItems: MAX_PAGE,
      args: pageArgs('The id or slug', DEFAULT_PAGE),
      resolve: ({ tenants }, page) => pageOfItems(tenants, page, ({ id, slug }) => [id, slug]),
    }),
  }),
});

const DatabaseListRef = builder.objectRef<DatabaseListing>('DatabaseList').implement({
  fields: (t) => ({
    system: t.field({
      type: [DatabaseRef],
      description: 'The auth and constants databases, and the shared database of each server.',
      maxItems: MAX_PAGE,
      args: pageArgs('The server and name, such as default/shared,', DEFAULT_PAGE),
      resolve: ({ system }, page) => pageOfItems(system, page, ({ server, name }) => [`${server}/${name}`]),
    }),
    tenants: t.field({
      type: [DatabaseRef],
      maxItems: MAX_PAGE,
      args: pageArgs('The name'),
      resolve: ({ tenants }, page) => pageOfItems(tenants, page, ({ name }) => [name]),
    }),
    totalCount: t.int({ resolve: ({ system, tenants }) => system.length + tenants.length }),
  }),
});

const ServerNodeRef = builder.objectRef<ServerNode>('ServerNode').implement({
  description: 'A node of the Citus cluster of a server.',
  fields: (t) => ({
    address: t.exposeString('address', {
      description: 'Its host and port, such as worker-2:5432. moveTenant takes it.',
    }),
    isActive: t.exposeBoolean('isActive'),
    tenantCount: t.exposeInt('tenantCount', { description: 'How many schemas of tenants it has.' }),
  }),
});

const loadTogether = requestLoader<Together>(async (names, { services }) => {
  const budgets = await services.catalog.use(readTogether);
  return names.map((name) => budgets.get(name) ?? noBudgets);
});

const DatabaseServerRef = builder.objectRef<KnownServer>('DatabaseServer').implement({
  fields: (t) => ({
    name: t.string({ resolve: ({ row }) => row.name }),
    host: t.string({ resolve: ({ server }) => server.host?.host ?? '' }),
    port: t.int({ resolve: ({ server }) => server.host?.port ?? 0 }),
    pooler: t.string({
      nullable: true,
      description:
        "Host and port of the connection pooler for its tenants' requests; null if they connect directly. health says whether it works.",
      resolve: ({ server: { pooler } }) => (pooler ? showHost(pooler) : null),
    }),
    tenantCount: t.int({
      resolve: ({ row }, _args, { services }) => services.catalog.fork().count(Tenant, { server: row.name }),
    }),
    connectionBudget: t.int({
      description: 'Connections that this process may open.',
      resolve: ({ server }) => server.stats.max,
    }),
    connectionLimit: t.int({
      nullable: true,
      description: 'Connections that PostgreSQL allows, less those that it reserves. Null if it does not answer.',
      resolve: ({ server }) =>
        server
          .serving(readCapacity)
          .then(({ max, reserved }) => max - reserved)
          .catch(() => null),
    }),
    processes: t.int({
      description: 'The servers and workers of this installation that run now.',
      resolve: async ({ row }, _args, context) => (await loadTogether(context, row.name)).processes,
    }),
    processConnections: t.int({
      description: 'Connections that all of these may open together.',
      resolve: async ({ row }, _args, context) => (await loadTogether(context, row.name)).connections,
    }),
    connectionsInUse: t.int({
      description: 'Open connections of this process that are not idle.',
      resolve: ({ server }) => server.stats.open - server.stats.idle,
    }),
    acceptsTenants: t.boolean({ resolve: ({ row }) => row.acceptsTenants }),
    nodes: t.field({
      type: [ServerNodeRef],
      description:
        'The nodes of its Citus cluster that can hold tenants with schemas; empty if its shared database does not have the extension.',
      maxItems: MAX_PAGE,
      args: pageArgs('The address', DEFAULT_PAGE),
      resolve: async ({ server }, page, { services }) =>
        pageOfItems(await readServerNodes(server, services.config.databases.shared), page, ({ address }) => [address]),
    }),
  }),
});

const TenantFilterInput = builder.inputType('TenantFilter', {
  fields: (t) => ({
    status: t.field({ type: TenantStatusRef }),
    isolation: t.field({ type: IsolationRef }),
    server: t.string({ maxLength: 63 }),
    behind: t.boolean(),
    search: t.string({ maxLength: 253, description: 'Part of the slug, name or host.' }),
  }),
});

const TenantOrderBy = builder.inputType('TenantOrderBy', {
  isOneOf: true,
  description:
    'version: the last migration applied; null if none is or it is unknown. lastMigratedAt: null if it was never migrated.',
  fields: (t) => ({
    name: t.field({ type: SortOrder }),
    slug: t.field({ type: SortOrder }),
    status: t.field({ type: SortOrder }),
    version: t.field({ type: SortOrder }),
    createdAt: t.field({ type: SortOrder }),
    lastMigratedAt: t.field({ type: SortOrder }),
  }),
});

const CreateTenantInputRef = builder.inputType('CreateTenantInput', {
  fields: (t) => ({
    slug: t.string({
      required: true,
      maxLength: 63,
      description: '3 to 63 characters of a to z, 0 to 9 and -; unique.',
    }),
    name: t.string({ required: true, maxLength: 200 }),
    isolation: t.field({ type: IsolationRef, description: 'By default the setting DEFAULT_ISOLATION.' }),
    host: t.string({ maxLength: 253, description: 'The host name of the tenant; unique.' }),
    server: t.string({ maxLength: 63 }),
  }),
});

builder.queryFields((t) => ({
  databases: t.field({
    type: DatabaseListRef,
    nullable: true,
    authScopes: { platformAdmin: true },
    resolve: (_root, _args, { services }) => listDatabases({ ...services, databases: services.config.databases }),
  }),
  servers: t.field({
    type: [DatabaseServerRef],
    description: 'Oldest first.',
    maxItems: MAX_PAGE,
    nullable: true,
    authScopes: { platformAdmin: true },
    args: pageArgs('The name'),
    resolve: async (_root, page, { services }) => {
      await services.servers.refresh();
      return pageOfItems(services.servers.known(), page, ({ row }) => [row.name]);
    },
  }),
  tenants: t.connection(
    {
      type: TenantRef,
      description: 'By default, oldest first. Where tenants are equal in the order, their ids decide.',
      nullable: true,
      authScopes: { platformAdmin: true },
      args: {
        filter: t.arg({ type: TenantFilterInput }),
        orderBy: t.arg({ type: [TenantOrderBy], description: 'A cursor is only valid in the order that it is from.' }),
      },
      resolve: async (_root, { filter, orderBy, ...page }, { services }) => {
        const states =
          filter?.behind == null
            ? { current: [], behind: [] }
            : await statesByProgress(services.catalog, await services.migrations.tenant.read());
        const where = tenantWhere(filter ?? {}, states);
        if (orderBy?.length) return listTenants(services.catalog, { ...page, where, orderBy });
        return entityConnection(services.catalog.fork(), Tenant, page, {
          where,
          orderBy: { createdAt: 'asc', id: 'asc' },
        });
      },
    },
    { name: 'TenantConnection' },
    { name: 'TenantEdge' },
  ),
  tenant: t.field({
    type: TenantRef,
    nullable: true,
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id(), slug: t.arg.string({ maxLength: 63 }) },
    resolve: async (_root, { id, slug }, { services }) => {
      if ((id == null) === (slug == null)) throw badInput('id', 'Set either id or slug');
      if (id != null && !isUuid(id)) return null;
      return services.catalog.fork().findOne(Tenant, id == null ? { slug: slug ?? '' } : { id });
    },
  }),
}));

builder.mutationFields((t) => ({
  createTenant: t.field({
    type: TenantRef,
    description:
      'A caller who is not a platform admin becomes the owner. Such users may create or own at most OWN_TENANTS tenants and cannot set the isolation, host or server.',
    authScopes: { tenantCreator: true },
    args: { input: t.arg({ type: CreateTenantInputRef, required: true }) },
    resolve: async (_root, { input: { slug, name, ...rest } }, context) => {
      const caller = callerOf(context);
      const { provisioning, config, hourlyLimits } = context.services;
      const choice = {
        isolation: rest.isolation ?? undefined,
        host: rest.host ?? undefined,
        server: rest.server ?? undefined,
      };
      if (caller.isPlatformAdmin) return createTenant(provisioning, { slug, name, ...choice });
      const chosen = Object.entries(choice).find(([, value]) => value !== undefined);
      if (chosen) throw new AppError('FORBIDDEN', `Only platform admins may set the ${chosen[0]} of a tenant`);
      await hourlyLimits.countTenant(caller, context.address);
      const owner = caller.user && { id: caller.user.id, limit: config.accounts.ownTenants };
      return createTenant(provisioning, { slug, name, owner });
    },
  }),
}));
