import { AppError, badInput, isPlainLine, isUuid, type TenantContext } from '../../platform.ts';
import { MemberProfile } from './member-profile.entity.ts';
import { builtInRole } from './permissions-of.ts';
import { MemberRole, Role } from './role.entity.ts';

/** A member's profile, which other members can see. */
export interface Profile {
  readonly userId: string;
  readonly displayName: string | undefined;
  readonly jobTitle: string | undefined;
}

/** The maximum number of users in one query. */
export const MAX_USERS = 100;

/**
 * Returns the profiles of those users who are members, in the given order.
 * @throws {AppError} BAD_USER_INPUT for too many users
 */
export async function findProfiles(tenant: TenantContext, users: readonly string[]): Promise<Profile[]> {
  if (users.length > MAX_USERS) throw badInput('users', `Ask for ${MAX_USERS} users at most`);
  const ids = [...new Set(users.map((id) => id.toLowerCase()).filter(isUuid))];
  const memberships = await tenant.membershipsOf(ids);
  const written = await tenant.em.find(MemberProfile, { userId: { $in: [...memberships.keys()] } });
  return ids
    .filter((id) => memberships.has(id))
    .map((id) =>
      profileOf(
        id,
        written.find(({ userId }) => userId === id),
      ),
    );
}

/**
 * Changes the caller's profile in the tenant.
 * @throws {AppError} FORBIDDEN for callers without a membership, or BAD_USER_INPUT
 */
export async function updateProfile(
  { em: tenantEm, member }: TenantContext,
  input: { readonly displayName: string | null | undefined; readonly jobTitle: string | null | undefined },
): Promise<Profile> {
  if (!member?.user) throw new AppError('FORBIDDEN', 'Only users with a membership of their own have a profile');
  const { id: userId } = member.user;
  const em = tenantEm.fork();
  const profile = await em.upsert(MemberProfile, {
    userId,
    ...(input.displayName !== undefined && { displayName: readLine('displayName', input.displayName) }),
    ...(input.jobTitle !== undefined && { jobTitle: readLine('jobTitle', input.jobTitle) }),
  });
  return profileOf(userId, profile);
}

/** Returns each member's roles by name: the one that comes with the membership, and those assigned. */
export async function rolesOf(tenant: TenantContext, users: readonly string[]): Promise<Role[][]> {
  const memberships = await tenant.membershipsOf(users);
  const assigned = Map.groupBy(
    await tenant.em.find(MemberRole, { userId: { $in: [...users] } }),
    ({ userId }) => userId,
  );
  const roles = await tenant.em.find(Role, {}, { orderBy: { name: 'asc' } });
  return users.map((user) => {
    const membership = memberships.get(user);
    if (!membership) return [];
    const own = (assigned.get(user) ?? []).filter((one) => lasts(one, membership));
    const ids = new Set(own.map(({ role }) => role.id));
    return roles.filter(({ id, name }) => name === builtInRole(membership) || ids.has(id));
  });
}

/** Whether a role was assigned for the current membership. */
export function lasts(
  { memberSince }: Pick<MemberRole, 'memberSince'>,
  membership: { readonly since: Date } | undefined,
): boolean {
  return membership?.since.getTime() === memberSince.getTime();
}

/** Builds a profile from a user id and what the member has entered, if anything. */
export function profileOf(userId: string, written?: MemberProfile): Profile {
  return { userId, displayName: written?.displayName ?? undefined, jobTitle: written?.jobTitle ?? undefined };
}

function readLine(field: string, text: string | null): string | null {
  const line = text?.trim() ?? '';
  if (line.length > 200 || !isPlainLine(line))
    throw badInput(field, `${field} must have at most 200 characters, all on one line`);
  return line === '' ? null : line;
}
