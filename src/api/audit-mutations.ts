import { defaultFieldResolver, type GraphQLField, type GraphQLSchema } from 'graphql';
import { type AuditRecord, actorOf, describeArguments, outcomeOf, writeAudit } from '../auth/audit-log.ts';
import { ReusedTokenError, WrongPasswordError } from '../auth/sign-in.ts';
import { Membership } from '../catalog/entities/membership.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { User } from '../catalog/entities/user.entity.ts';
import { AppError } from '../lib/errors.ts';
import type { Context } from './context.ts';
import { declaredScopes } from './declared-scopes.ts';

type Args = Readonly<Record<string, unknown>>;

/** The outcome of a mutation. */
interface Ending {
  readonly result?: unknown;
  readonly error?: unknown;
}

/**
 * Writes the outcome of every mutation to the audit log, including those that a scope refuses. Two kinds are not
 * written: changes that members make to their own tenant's data, unless the field has the extension `isAudited`, and
 * attempts by unauthenticated callers, who could otherwise fill the disk. Actions that a caller can repeat freely are
 * merged into one row per minute with a count.
 */
export function auditMutations(schema: GraphQLSchema): GraphQLSchema {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) audit(field);
  return schema;
}

/** Records that a platform admin queried a tenant's data or subscribed to it. */
export async function auditQuery(context: Context, operation: string, failed: boolean): Promise<void> {
  if (!context.identity?.isPlatformAdmin || !tenantIdOf(context)) return;
  const outcome = failed ? 'FAILED' : 'OK';
  const record = { ...recordOf(context), action: operation, outcome, tenantId: tenantIdOf(context) };
  await context.services.repeatedAudit.writeCounted(record, record.userId ?? record.actor, '');
}

function audit(field: GraphQLField<unknown, Context, Args>): void {
  const resolve = field.resolve ?? defaultFieldResolver;
  const isForMembers = isTenantData(field) && field.extensions.isAudited !== true;
  field.resolve = async (root, args, context, info) => {
    const record = async (ending: Ending) => {
      if (isWorthRecording(field.name, isForMembers, context, ending))
        await recordEnding(field.name, args, context, ending);
    };
    let result: unknown;
    try {
      result = await resolve(root, args, context, info);
    } catch (error) {
      await record({ error });
      throw error;
    }
    await record({ result });
    return result;
  };
}

function isWorthRecording(name: string, isForMembers: boolean, { identity }: Context, { error }: Ending): boolean {
  if (error instanceof ReusedTokenError) return true;
  if (isSignIn(name)) return !(error instanceof AppError && error.code === 'RATE_LIMITED');
  if (!identity || name === 'refreshToken') return false;
  return identity.isPlatformAdmin || !isForMembers;
}

async function recordEnding(action: string, args: Args, context: Context, { result, error }: Ending): Promise<void> {
  // An id may also be that of something else, such as a run; then no tenant is found.
  const reference = textAt(args, 'tenant') ?? textAt(args, 'id');
  const { directory } = context.services;
  // If auth cannot be reached, the entry cannot be written either and goes to the server's log.
  const named = reference === undefined ? undefined : await directory.byReference(reference).catch(() => undefined);
  const details = describeArguments(args);
  const record = {
    ...recordOf(context),
    action,
    outcome: outcomeOf(error),
    tenantId: tenantIn(result) ?? named?.id ?? tenantIdOf(context),
    details,
    ...signerOf(action, args, { result, error }),
  };
  const { repeatedAudit } = context.services;
  if (error !== undefined) return repeatedAudit.writeLimited(record, refusedCaller(record, error));
  if (context.identity?.isPlatformAdmin) return write(context, record);
  const caller = record.userId ?? record.actor;
  if (isOfOwnSession(action)) return repeatedAudit.writeLimited(record, caller);
  await repeatedAudit.writeCounted(record, caller, details);
}

/** Whether the action only changes the caller's own session, so that it can be repeated without limit. */
function isOfOwnSession(action: string): boolean {
  return isSignIn(action) || action === 'logout' || action === 'switchTenant';
}

/**
 * Unauthenticated callers count as one caller whatever email address they give: they could make up any number of them.
 */
function refusedCaller({ action, actor, userId }: AuditRecord, error: unknown): string {
  if (!isSignIn(action)) return userId ?? actor;
  return (error instanceof WrongPasswordError ? error.userId : undefined) ?? 'stranger';
}

/** The tenant that was created or changed, or that the new session names. */
function tenantIn(result: unknown): string | undefined {
  if (result instanceof Tenant) return result.id;
  const membership: unknown = typeof result === 'object' && result !== null ? Reflect.get(result, 'membership') : null;
  return membership instanceof Membership ? membership.tenant.id : undefined;
}

/** The person who signed in, if that is not the bearer of the request's token. */
function signerOf(action: string, args: Args, { result, error }: Ending): Partial<AuditRecord> {
  if (error instanceof ReusedTokenError) return { actor: error.email ?? error.userId, userId: error.userId };
  const email = textAt(args, 'email');
  if (email === undefined || !isSignIn(action)) return {};
  const user: unknown = typeof result === 'object' && result !== null ? Reflect.get(result, 'user') : undefined;
  return { actor: email, userId: user instanceof User ? user.id : undefined };
}

function isSignIn(action: string): boolean {
  return action === 'login' || action === 'register';
}

/** The part of an entry that describes the caller. */
function recordOf({ identity, address, requestId }: Context) {
  return {
    actor: identity ? actorOf(identity) : 'somebody without a token',
    userId: identity?.user?.id,
    address,
    requestId,
    details: undefined,
  };
}

/** The action has already been carried out, so an entry that cannot be written goes to the server's log. */
async function write({ services, log }: Context, record: AuditRecord): Promise<void> {
  await writeAudit(services.catalog, record).catch((err: unknown) => {
    log.error({ err, audit: record }, 'an entry cannot be written to the audit log');
  });
}

/** The id of the request's tenant, if it is served. */
function tenantIdOf({ tenant }: Context): string | undefined {
  try {
    return tenant.isNamed ? tenant.row.id : undefined;
  } catch {
    return undefined;
  }
}

/** The string argument with this name, at the top level or inside `input`. */
function textAt(args: Args, name: string): string | undefined {
  const { input } = args;
  const value = args[name] ?? (typeof input === 'object' && input !== null ? Reflect.get(input, name) : undefined);
  return typeof value === 'string' ? value : undefined;
}

/** Whether the field is declared for members of the request's tenant. */
function isTenantData(field: GraphQLField<unknown, Context, Args>): boolean {
  const { tenantMember, permission } = declaredScopes(field);
  return tenantMember === true || permission !== undefined;
}
