import { MemberProfileSchema } from './member-profile.entity.ts';
import { MemberRoleSchema, PermissionSchema, RolePermissionSchema, RoleSchema } from './role.entity.ts';

/** Members, their roles and permissions. */
export const access = {
  entities: [PermissionSchema, RoleSchema, RolePermissionSchema, MemberRoleSchema, MemberProfileSchema],
  schema: () => import('./schema.ts'),
};
