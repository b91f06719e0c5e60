import { builder, entityConnection, MAX_PAGE, pageArgs, pageSize } from '../../platform.ts';
import { assignRole, MAX_ROLES_OF_MEMBER, unassignRole } from './assign-roles.ts';
import { assigneesOf } from './assignees.ts';
import { createRole, deleteRole, updateRole } from './define-roles.ts';
import { allPermissions, MAX_PERMISSIONS, permissionsOfRoles, ROLES_WRITE } from './permissions-of.ts';
import { findProfiles, MAX_USERS, type Profile, rolesOf, updateProfile } from './profiles.ts';
import { Permission, Role } from './role.entity.ts';

builder.objectType(Permission, {
  name: 'Permission',
  description: 'A permission of the tenant, such as orders:write.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The subject and the action, such as orders:write.' }),
    description: t.exposeString('description'),
  }),
});

builder.objectType(Role, {
  name: 'Role',
  description: 'A named set of permissions for members.',
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    description: t.exposeString('description'),
    isBuiltIn: t.exposeBoolean('isBuiltIn', {
      description: 'True for owner, admin and member, which come with a membership and are not assigned.',
    }),
    permissions: t.loadableList({
      type: Permission,
      maxItems: MAX_PERMISSIONS,
      load: (roles: Role[], { tenant }) => permissionsOfRoles(tenant.em, roles),
      resolve: (role) => role,
    }),
  }),
});

const MemberProfileRef = builder.objectRef<Profile>('MemberProfile').implement({
  description: "A member's profile, which other members can see.",
  fields: (t) => ({
    user: t.exposeID('userId', { description: "The user's id." }),
    displayName: t.string({ nullable: true, resolve: ({ displayName }) => displayName ?? null }),
    jobTitle: t.string({ nullable: true, resolve: ({ jobTitle }) => jobTitle ?? null }),
    roles: t.loadableList({
      type: Role,
      description: 'The one that comes with the membership, and those assigned.',
      maxItems: 1 + MAX_ROLES_OF_MEMBER,
      load: (users: string[], { tenant }) => rolesOf(tenant, users),
      resolve: ({ userId }) => userId,
    }),
  }),
});

builder.objectField(Role, 'members', (t) =>
  t.loadableList({
    type: MemberProfileRef,
    description:
      'The members to whom it is assigned, ordered by user id; empty for built-in roles. Users who have left the tenant are left out.',
    maxItems: MAX_PAGE,
    args: pageArgs('The id of the user'),
    // Fields with the same path have the same arguments.
    byPath: true,
    load: (roles: string[], { tenant }, args) =>
      assigneesOf(tenant, roles, { size: pageSize(args), after: args.after }),
    resolve: ({ id }) => id,
  }),
);

const permissionsDescription = 'Names of permissions; you can only grant those that you have.';

const CreateRoleInput = builder.inputType('CreateRoleInput', {
  fields: (t) => ({
    name: t.string({
      required: true,
      maxLength: 50,
      description: '1 to 50 characters of a to z, 0 to 9 and -; unique in the tenant.',
    }),
    description: t.string({ maxLength: 200 }),
    permissions: t.stringList({ maxLength: 200, required: true, description: permissionsDescription }),
  }),
});

const UpdateRoleInput = builder.inputType('UpdateRoleInput', {
  description: 'Omitted fields stay unchanged.',
  fields: (t) => ({
    name: t.string({ maxLength: 50 }),
    description: t.string({ maxLength: 200 }),
    permissions: t.stringList({ maxLength: 200, description: permissionsDescription }),
  }),
});

const UpdateProfileInput = builder.inputType('UpdateProfileInput', {
  description: 'Omitted fields stay unchanged.',
  fields: (t) => ({ displayName: t.string({ maxLength: 200 }), jobTitle: t.string({ maxLength: 200 }) }),
});

builder.queryFields((t) => ({
  permissions: t.field({
    type: [Permission],
    description: 'All permissions of the tenant, by name.',
    maxItems: MAX_PERMISSIONS,
    authScopes: { tenantMember: true },
    resolve: (_root, _args, { tenant }) => allPermissions(tenant.em),
  }),
  roles: t.connection(
    {
      type: Role,
      description: "The tenant's roles, by name.",
      authScopes: { tenantMember: true },
      resolve: (_root, args, { tenant }) => entityConnection(tenant.em, Role, args, { orderBy: { name: 'asc' } }),
    },
    { name: 'RoleConnection' },
    { name: 'RoleEdge' },
  ),
  memberProfiles: t.field({
    type: [MemberProfileRef],
    description: 'The profiles of those users who are members of the tenant.',
    maxItems: ({ users }) => Math.min(users.length, MAX_USERS),
    authScopes: { tenantMember: true },
    args: { users: t.arg.idList({ required: true, description: 'Ids of up to 100 users.' }) },
    resolve: (_root, { users }, { tenant }) => findProfiles(tenant, users),
  }),
}));

/** Changes of roles need a permission and are audited. */
const changesRoles = { authScopes: { permission: ROLES_WRITE }, extensions: { isAudited: true } };

const assignmentArgs = builder.args((t) => ({
  role: t.id({ required: true, description: "The role's id." }),
  user: t.id({ required: true, description: "The user's id." }),
}));

builder.mutationFields((t) => ({
  updateProfile: t.field({
    type: MemberProfileRef,
    description: 'Changes your profile in the tenant.',
    authScopes: { tenantMember: true },
    args: { input: t.arg({ type: UpdateProfileInput, required: true }) },
    resolve: (_root, { input: { displayName, jobTitle } }, { tenant }) =>
      updateProfile(tenant, { displayName, jobTitle }),
  }),
  createRole: t.field({
    type: Role,
    ...changesRoles,
    args: { input: t.arg({ type: CreateRoleInput, required: true }) },
    resolve: (_root, { input }, { tenant }) =>
      createRole(tenant, { ...input, description: input.description ?? undefined }),
  }),
  updateRole: t.field({
    type: Role,
    description: 'Changes a role for everybody who has it. The role owner cannot be changed.',
    ...changesRoles,
    args: {
      role: t.arg.id({ required: true, description: "The role's id." }),
      input: t.arg({ type: UpdateRoleInput, required: true }),
    },
    resolve: (_root, { role, input }, { tenant }) =>
      updateRole(tenant, role, {
        name: input.name ?? undefined,
        description: input.description ?? undefined,
        permissions: input.permissions ?? undefined,
      }),
  }),
  deleteRole: t.boolean({
    description: 'Deletes a role and its assignments.',
    ...changesRoles,
    args: { role: t.arg.id({ required: true, description: "The role's id." }) },
    resolve: async (_root, { role }, { tenant }) => {
      await deleteRole(tenant, role);
      return true;
    },
  }),
  assignRole: t.field({
    type: MemberProfileRef,
    description: 'Assigns a role to a member for as long as the membership lasts.',
    ...changesRoles,
    args: assignmentArgs,
    resolve: async (_root, args, { tenant }) => {
      await assignRole(tenant, args);
      const [profile] = await findProfiles(tenant, [args.user]);
      return profile ?? { userId: args.user, displayName: undefined, jobTitle: undefined };
    },
  }),
  unassignRole: t.boolean({
    description: 'Removes a role from a member. False if it was not assigned.',
    ...changesRoles,
    args: assignmentArgs,
    resolve: (_root, args, { tenant }) => unassignRole(tenant, args),
  }),
}));
