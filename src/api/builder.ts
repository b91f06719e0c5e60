import SchemaBuilder from '@pothos/core';
import DataloaderPlugin from '@pothos/plugin-dataloader';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import { AppError } from '../lib/errors.ts';
import { MAX_PAGE } from '../orm/pagination.ts';
import { type Context, callerOf } from './context.ts';
import './limits/list-sizes.ts';
import { BigIntScalar, DateScalar, DateTimeScalar, DecimalScalar, JsonScalar } from './scalars.ts';

export type { TenantContext } from './context.ts';

type Scope = 'anyone' | 'authenticated' | 'user' | 'tenantMember' | 'tenantCreator' | 'platformAdmin';

/**
 * The builder of the GraphQL schema. Every field of Query, Mutation and Subscription declares who may use it: `anyone`,
 * `authenticated` (the bearer of any valid token), `user` (a user with an account in this installation), `tenantMember`
 * (a member of the request's tenant), `permission: 'orders:write'` (a member with this permission), `tenantCreator` (a
 * user who may create tenants, up to a limit) or `platformAdmin`.
 */
export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  AuthScopes: Record<Scope, boolean> & { permission: string };
  Scalars: {
    BigInt: { Input: string; Output: string };
    Date: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date | string };
    Decimal: { Input: string; Output: string };
    ID: { Input: string; Output: string };
    JSON: { Input: unknown; Output: unknown };
  };
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
    // By default only the events are authorized, so anyone could subscribe.
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
    // The scopes throw the precise errors; this one is for a field that nobody may use.
    unauthorizedError: () => new AppError('FORBIDDEN', "You don't have access to this field."),
  },
});

builder.addScalarType('BigInt', BigIntScalar);
builder.addScalarType('Date', DateScalar);
builder.addScalarType('DateTime', DateTimeScalar);
builder.addScalarType('Decimal', DecimalScalar);
builder.addScalarType('JSON', JsonScalar);
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
  throw new AppError('FORBIDDEN', 'The token does not belong to a user of this installation. Sign in with login.');
}

function isTenantCreator(context: Context): boolean {
  const { ownTenants } = context.services.config.accounts;
  return (callerOf(context).user !== undefined && ownTenants > 0) || isPlatformAdmin(context);
}

function isTenantMember(context: Context): boolean {
  callerOf(context);
  const { row, role } = context.tenant;
  if (role !== undefined) return true;
  throw new AppError('FORBIDDEN', `You are not a member of the tenant ${row.slug}`);
}

/**
 * Whether the caller has a permission in the request's tenant. Never false.
 * @throws {AppError} FORBIDDEN, or the errors of a request without a tenant
 */
export async function hasPermission(context: Context, name: string): Promise<boolean> {
  isTenantMember(context);
  if ((await context.tenant.permissions()).has(name)) return true;
  throw new AppError(
    'FORBIDDEN',
    `This needs the permission ${name}, which you do not have in ${context.tenant.row.slug}`,
    { details: { permission: name } },
  );
}
