import type { Catalog } from '../catalog/catalog.ts';
import { Membership } from '../catalog/entities/membership.entity.ts';
import { deletedStatuses } from '../catalog/tenant-status.ts';
import { badInput } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';

/** A page of memberships, ordered by the id of the user or tenant. */
export interface MembershipPage {
  readonly size: number;
  /** The id of the last user or tenant of the previous page. */
  readonly after?: string | null | undefined;
}

/**
 * Returns a page of the members of each tenant, ordered by user id, with a single statement.
 * @param tenants ids of tenants
 * @throws {AppError} BAD_USER_INPUT
 */
export async function membersOf(
  catalog: Catalog,
  tenants: readonly string[],
  page: MembershipPage,
): Promise<Membership[][]> {
  const { rows } = await catalog.use((client) =>
    client.query(
      `SELECT m.* FROM unnest($1::uuid[]) AS t (id) CROSS JOIN LATERAL (
         SELECT * FROM memberships WHERE tenant_id = t.id AND ($3::uuid IS NULL OR user_id > $3)
         ORDER BY user_id LIMIT $2) AS m`,
      [tenants, page.size, cursorOf(page)],
    ),
  );
  const em = catalog.fork();
  const ofTenants = Map.groupBy(
    rows.map((row) => em.map(Membership, row)),
    ({ tenant }) => tenant.id,
  );
  return tenants.map((id) => ofTenants.get(id) ?? []);
}

/**
 * Returns a page of the memberships of a user, ordered by tenant id, without those in deleted tenants.
 * @param user the id of a user
 * @throws {AppError} BAD_USER_INPUT
 */
export async function membershipsOf(catalog: Catalog, user: string, page: MembershipPage): Promise<Membership[]> {
  const after = cursorOf(page);
  return catalog
    .fork()
    .find(
      Membership,
      { user, tenant: { ...(after !== null && { id: { $gt: after } }), status: { $nin: [...deletedStatuses] } } },
      { orderBy: { tenant: 'asc' }, limit: page.size },
    );
}

function cursorOf({ after }: MembershipPage): string | null {
  if (after == null) return null;
  if (isUuid(after)) return after;
  throw badInput('after', `${JSON.stringify(after)} is not an id`);
}
