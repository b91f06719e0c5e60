import { badInput, isUuid, MAX_PAGE, type TenantContext } from '../../platform.ts';
import { MemberProfile } from './member-profile.entity.ts';
import { lasts, type Profile, profileOf } from './profiles.ts';

/** A page of the users to whom a role is assigned. */
export interface AssigneePage {
  readonly size: number;
  /** The id of the last user of the previous page. */
  readonly after?: string | null | undefined;
}

interface Assigned {
  readonly userId: string;
  readonly role: string;
  readonly memberSince: Date;
}

/**
 * Finds the members to whom each role is assigned, ordered by user id. Users who have left the tenant are left out and do not
 * make a page shorter.
 * @param roles ids of roles
 * @throws {AppError} BAD_USER_INPUT
 */
export async function assigneesOf(
  tenant: TenantContext,
  roles: readonly string[],
  page: AssigneePage,
): Promise<Profile[][]> {
  const pages = await readMembers(tenant, roles, page);
  const written = await tenant.em.find(MemberProfile, { userId: { $in: [...new Set(pages.flat())] } });
  const profiles = new Map(written.map((profile) => [profile.userId, profile]));
  return pages.map((users) => users.map((userId) => profileOf(userId, profiles.get(userId))));
}

/**
 * Reads a page of user ids for each role.
 * @param rows how many assignments of each role to read at once
 */
async function readMembers(
  tenant: TenantContext,
  roles: readonly string[],
  page: AssigneePage,
  rows = page.size,
): Promise<string[][]> {
  const read = await readAssigned(tenant, roles, { ...page, size: rows });
  const assigned = Map.groupBy(read, ({ role }) => role);
  const memberships = await tenant.membershipsOf([...new Set(read.map(({ userId }) => userId))]);
  const pages: string[][] = [];
  for (const role of roles) {
    const ofRole = assigned.get(role) ?? [];
    const users = ofRole.filter((one) => lasts(one, memberships.get(one.userId))).map(({ userId }) => userId);
    const missing = page.size - users.length;
    if (missing > 0 && ofRole.length === rows) {
      const rest = { size: missing, after: ofRole.at(-1)?.userId };
      users.push(...(await readMembers(tenant, [role], rest, MAX_PAGE)).flat());
    }
    pages.push(users.slice(0, page.size));
  }
  return pages;
}

/** Reads one page for each role in a single statement. */
async function readAssigned({ em }: TenantContext, roles: readonly string[], page: AssigneePage): Promise<Assigned[]> {
  const { after } = page;
  if (after != null && !isUuid(after)) throw badInput('after', `${JSON.stringify(after)} is not the id of a user`);
  const places = em
    .getKysely<{ member_roles: { user_id: string; role_id: string; member_since: Date | string } }>()
    .withSchema(em.schema ?? 'public')
    .selectFrom('member_roles')
    .select(({ fn }) => [
      'user_id as userId',
      'role_id as role',
      'member_since as memberSince',
      fn
        .agg<number>('row_number')
        .over((over) => over.partitionBy('role_id').orderBy('user_id'))
        .as('place'),
    ])
    .where('role_id', 'in', roles)
    .$if(after != null, (query) => query.where('user_id', '>', after ?? ''));
  const rows = await em
    .getKysely()
    .selectFrom(places.as('places'))
    .selectAll()
    .where('place', '<=', page.size)
    .orderBy('userId')
    .execute();
  // The driver returns timestamps as text. Only entities convert them to dates.
  return rows.map((row) => ({ ...row, memberSince: new Date(row.memberSince) }));
}
