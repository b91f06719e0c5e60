import type { Catalog } from '../catalog/catalog.ts';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { User } from '../catalog/entities/user.entity.ts';
import type { Invitation } from './invitation-entity.ts';

/** An invitation, in the form of the membership that it becomes when it is accepted. */
export interface PendingMembership {
  /** Not an account: the inviter is told no more than the address that they gave. */
  readonly user: User;
  readonly tenant: Tenant;
  readonly role: MemberRole;
}

/** @param address as the inviter wrote it */
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
