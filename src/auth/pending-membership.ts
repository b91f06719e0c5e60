import type { Catalog } from '../catalog/catalog.ts';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { User } from '../catalog/entities/user.entity.ts';
import type { Invitation } from './invitation-entity.ts';

/** A pending invitation in the form of a membership. */
export interface PendingMembership {
  /** Not an account: the inviter learns nothing but the address that they entered. */
  readonly user: User;
  readonly tenant: Tenant;
  readonly role: MemberRole;
}

/** @param address as the inviter entered it */
export async function pendingMembership(
  catalog: Catalog,
  { id, tenantId, role }: Invitation,
  address: string,
): Promise<PendingMembership> {
  const em = catalog.fork();
  return {
    user: em.create(User, { id, email: address, name: address }, { persist: false }),
    tenant: await em.findOneOrFail(Tenant, { id: tenantId }),
    role,
  };
}
