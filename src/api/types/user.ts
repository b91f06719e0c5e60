import { userWhere } from '../../auth/users.ts';
import { User } from '../../catalog/entities/user.entity.ts';
import { entityConnection } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { UserRef } from './account.ts';

const forAdmins = { authScopes: { platformAdmin: true } } as const;

builder.objectFields(User, (t) => ({
  active: t.boolean({
    ...forAdmins,
    description: 'Whether the user may sign in. For platform admins.',
    resolve: ({ active }) => active,
  }),
  isPlatformAdmin: t.boolean({
    ...forAdmins,
    description: 'For platform admins.',
    resolve: ({ isPlatformAdmin }) => isPlatformAdmin,
  }),
  createdAt: t.field({
    ...forAdmins,
    type: 'DateTime',
    description: 'For platform admins.',
    resolve: ({ createdAt }) => createdAt,
  }),
}));

builder.queryField('users', (t) =>
  t.connection(
    {
      type: UserRef,
      description: 'All users, oldest first.',
      nullable: true,
      authScopes: { platformAdmin: true },
      args: { search: t.arg.string({ maxLength: 254, description: 'Part of the email address or name.' }) },
      resolve: (_root, { search, ...page }, { services }) =>
        entityConnection(services.catalog.fork(), User, page, {
          where: userWhere(search),
          orderBy: { createdAt: 'asc', id: 'asc' },
        }),
    },
    { name: 'UserConnection' },
    { name: 'UserEdge' },
  ),
);
