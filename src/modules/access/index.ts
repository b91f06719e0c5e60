import { MemberProfileSchema } from './member-profile.entity.ts';
import { MemberRoleSchema, PermissionSchema, RolePermissionSchema, RoleSchema } from './role.entity.ts';
import './schema.ts';

export { permissionsOf } from './permissions-of.ts';

/** The tables of members, their roles and what those permit. */
export const accessEntities = [
  PermissionSchema,
  RoleSchema,
  RolePermissionSchema,
  MemberRoleSchema,
  MemberProfileSchema,
];
