import { randomUUID } from 'node:crypto';
import { defineEntity, p } from '@mikro-orm/core';

/** The table `permissions` in each tenant's schema. Modules add theirs in their migrations. */
export const PermissionSchema = defineEntity({
  name: 'Permission',
  tableName: 'permissions',
  schema: '*',
  properties: {
    /** The subject and the action, such as `orders:write`. */
    name: p.text().primary().check("name ~ '^[a-z][a-z-]*:[a-z]+$'"),
    description: p.text(),
    roles: () => p.manyToMany(Role).mappedBy('permissions'),
  },
});

/** A permission, such as `orders:write`. */
export class Permission extends PermissionSchema.class {}

PermissionSchema.setClass(Permission);

/** The table `roles` in each tenant's schema. */
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
    /** Whether it comes with the membership instead of being assigned. */
    isBuiltIn: p.boolean().onCreate(() => false),
    permissions: () =>
      p
        .manyToMany(Permission)
        .owner()
        .pivotEntity(() => RolePermission),
    assignments: () => p.oneToMany(MemberRole).mappedBy('role'),
  },
});

/** A named set of permissions. */
export class Role extends RoleSchema.class {}

RoleSchema.setClass(Role);

/** The table `role_permissions` in each tenant's schema. */
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

/** Links a role to one of its permissions. */
export class RolePermission extends RolePermissionSchema.class {}

RolePermissionSchema.setClass(RolePermission);

/** The table `member_roles` in each tenant's schema. */
export const MemberRoleSchema = defineEntity({
  name: 'MemberRole',
  tableName: 'member_roles',
  schema: '*',
  properties: {
    userId: p.uuid().primary(),
    role: () =>
      p.manyToOne(Role).primary().ref().deleteRule('cascade').updateRule('no action').index('member_roles_role_id_idx'),
    /** When the membership began for which the role was assigned. A user who leaves and comes back starts without it. */
    memberSince: p.datetime(3),
  },
});

/** The assignment of a role to a member. */
export class MemberRole extends MemberRoleSchema.class {}

MemberRoleSchema.setClass(MemberRole);
