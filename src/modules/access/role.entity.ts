import { randomUUID } from 'node:crypto';
import { defineEntity, p } from '@mikro-orm/core';

/** The table `permissions`, one in each tenant's schema. Modules add theirs in their migrations. */
export const PermissionSchema = defineEntity({
  name: 'Permission',
  tableName: 'permissions',
  schema: '*',
  properties: {
    /** What it is about, and what may be done with it: `orders:write`. */
    name: p.text().primary().check("name ~ '^[a-z][a-z-]*:[a-z]+$'"),
    description: p.text(),
    roles: () => p.manyToMany(Role).mappedBy('permissions'),
  },
});

/** Something that only some members may do. */
export class Permission extends PermissionSchema.class {}

PermissionSchema.setClass(Permission);

/** The table `roles`, one in each tenant's schema. */
export const RoleSchema = defineEntity({
  name: 'Role',
  tableName: 'roles',
  schema: '*',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID())
      .defaultRaw('gen_random_uuid()'),
    name: p.text().unique().check("name ~ '^[a-z][a-z0-9-]{0,49}$'"),
    description: p.text(),
    /** Whether it comes with a membership of its name, and is not assigned. */
    isBuiltIn: p.boolean().onCreate(() => false),
    permissions: () =>
      p
        .manyToMany(Permission)
        .owner()
        .pivotEntity(() => RolePermission),
    assignments: () => p.oneToMany(MemberRole).mappedBy('role'),
  },
});

/** What members may be: a name for some permissions. */
export class Role extends RoleSchema.class {}

RoleSchema.setClass(Role);

/** The table `role_permissions`, one in each tenant's schema. */
export const RolePermissionSchema = defineEntity({
  name: 'RolePermission',
  tableName: 'role_permissions',
  schema: '*',
  properties: {
    role: () => p.manyToOne(Role).primary().deleteRule('cascade').updateRule('no action'),
    permission: () =>
      p
        .manyToOne(Permission)
        .primary()
        .deleteRule('cascade')
        .updateRule('no action')
        .index('role_permissions_permission_name_idx'),
  },
});

/** That a role has a permission. */
export class RolePermission extends RolePermissionSchema.class {}

RolePermissionSchema.setClass(RolePermission);

/** The table `member_roles`, one in each tenant's schema. */
export const MemberRoleSchema = defineEntity({
  name: 'MemberRole',
  tableName: 'member_roles',
  schema: '*',
  properties: {
    userId: p.uuid().primary(),
    role: () =>
      p.manyToOne(Role).primary().ref().deleteRule('cascade').updateRule('no action').index('member_roles_role_id_idx'),
    /** When the membership began for which it was assigned: who leaves and comes back does not have it any more. */
    memberSince: p.datetime(3),
  },
});

/** That a role was assigned to a member. */
export class MemberRole extends MemberRoleSchema.class {}

MemberRoleSchema.setClass(MemberRole);
