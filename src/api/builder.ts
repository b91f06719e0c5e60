import SchemaBuilder from '@pothos/core';
import DataloaderPlugin from '@pothos/plugin-dataloader';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import { DateTimeResolver } from 'graphql-scalars';
import { AppError } from '../lib/errors.ts';
import { MAX_PAGE } from '../orm/pagination.ts';
import { type Context, callerOf } from './context.ts';
import './limits/list-sizes.ts';

export type { TenantContext } from './context.ts';

type Scope = 'anyone' | 'authenticated' | 'user' | 'tenantMember' | 'tenantCreator' | 'platformAdmin';

/**
 * The builder of the GraphQL schema. Every field of Query, Mutation and Subscription declares who may use it:
 * `anyone`, `authenticated` (whoever has a token), `user` (somebody with an account here), `tenantMember` (a member of the
 * request's tenant), `permission: 'orders:write'` (a member who has this permission), `tenantCreator` (who may create tenants,
 * if only so many) or `platformAdmin`.
 */
export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  AuthScopes: Record<Scope, boolean> & { permission: string };
  Scalars: { DateTime: { Input: Date; Output: Date }; ID: { Input: string; Output: string } };
  Connection: { totalCount: number | (() => Promise<number>) };
}>({
  plugins: ['listSizes', ScopeAuthPlugin, RelayPlugin, DataloaderPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    nodesOnConnection: { maxItems: MAX_PAGE },
    edgesFieldOptions: { maxItems: MAX_PAGE, nullable: { list: false, items: false } },
    nodeFieldOptions: { nullable: false },
    nodeQueryOptions: false,
    nodesQueryOptions: false,
  },
  scopeAuth: {
    // By default only what is sent is checked, and anybody could subscribe.
    authorizeOnSubscribe: true,
    authScopes: (context) => ({
      anyone: true,
      authenticated: () => callerOf(context) !== undefined,
      user: () => isUser(context),
      tenantMember: () => isTenantMember(context),
      permission: (name) => hasPermission(context, name),
      tenantCreator: () => isTenantCreator(context),
      platformAdmin: () => isPlatformAdmin(context),
    }),
    // The scopes throw the precise error; what is left is a field that nobody may use.
    unauthorizedError: () => new AppError('FORBIDDEN', 'This is not for you'),
  },
});

builder.addScalarType('DateTime', DateTimeResolver);
builder.queryType({});
builder.mutationType({});
builder.subscriptionType({});

builder.globalConnectionField('totalCount', (t) =>
  t.int({
    resolve: ({ totalCount }) => (typeof totalCount === 'function' ? totalCount() : totalCount),
  }),
);

function isPlatformAdmin(context: Context): boolean {
  if (callerOf(context).isPlatformAdmin) return true;
  throw new AppError('FORBIDDEN', 'Only platform admins may do this');
}

function isUser(context: Context): boolean {
  if (callerOf(context).user) return true;
  throw new AppError('FORBIDDEN', 'The token is of no user of this installation. Sign in with login.');
}

function isTenantCreator(context: Context): boolean {
  const { ownTenants } = context.services.config.accounts;
  return (callerOf(context).user !== undefined && ownTenants > 0) || isPlatformAdmin(context);
}

function isTenantMember(context: Context): boolean {
  callerOf(context);
  const { row, role } = context.tenant;
  if (role !== undefined) return true;
  throw new AppError('FORBIDDEN', `You are no member of the tenant ${row.slug}`);
}

async function hasPermission(context: Context, name: string): Promise<boolean> {
  isTenantMember(context);
  if ((await context.tenant.permissions()).has(name)) return true;
  throw new AppError(
    'FORBIDDEN',
    `This needs the permission ${name}, which you do not have in ${context.tenant.row.slug}`,
    { details: { permission: name } },
  );
}
