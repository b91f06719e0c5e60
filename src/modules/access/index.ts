import type { EntityManager } from '@mikro-orm/postgresql';
import { MemberProfile, MemberProfileSchema } from './member-profile.entity.ts';
import { MemberRoleSchema, PermissionSchema, RolePermissionSchema, RoleSchema } from './role.entity.ts';

/** Members, their roles and permissions. */
export const access = {
  entities: [PermissionSchema, RoleSchema, RolePermissionSchema, MemberRoleSchema, MemberProfileSchema],
  schema: () => import('./schema.ts'),
  /** In a clone, nobody is called by a name. */
  neutralize: async (em: EntityManager) => {
    await em.nativeUpdate(MemberProfile, {}, { displayName: null, jobTitle: null });
  },
};
