import type { Command } from 'commander';
import type { Catalog } from '../../catalog/catalog.ts';
import type { User } from '../../catalog/entities/user.entity.ts';
import { AppError } from '../../lib/errors.ts';
import { isUuid } from '../../lib/uuid.ts';
import { withServices } from '../open-app.ts';
import type { CommandContext } from '../ui/terminal.ts';

interface UpdateOptions {
  readonly admin?: boolean;
  readonly active?: boolean;
}

const examples = `
Examples:
  tenantry user update ada@example.com --admin
  tenantry user update 0b0d31db-44c8-4b09-9bad-c39e098f2e07 --no-active`;

/** `tenantry user update`: like setPlatformAdmin and setUserActive, but works before there is a platform admin. */
export function addUpdateCommand(user: Command, context: CommandContext): void {
  const command = user
    .command('update')
    .description('Change whether a user is a platform admin or may sign in, including users of an identity provider')
    .argument('<user>', "the user's email address or id")
    .option('--admin', 'make the user a platform admin')
    .option('--no-admin', 'make the user an ordinary user')
    .option('--active', 'let the user sign in again')
    .option('--no-active', 'sign the user out and lock the account')
    .addHelpText('after', examples);
  command.action(async (reference: string, options: UpdateOptions) => {
    if (Object.keys(options).length === 0) command.error('error: use --admin, --no-admin, --active or --no-active');
    const { id, email, isPlatformAdmin, active } = await update(context, reference, options);
    const rights = isPlatformAdmin ? 'a platform admin' : 'not a platform admin';
    context.stdout.write(`The user ${email ?? id} is ${rights} and ${active ? 'may' : 'may not'} sign in.\n`);
  });
}

async function update(context: CommandContext, reference: string, { admin, active }: UpdateOptions): Promise<User> {
  const { setPlatformAdmin, setUserActive } = await import('../../auth/users.ts');
  return withServices(context, async ({ accounts, catalog }) => {
    const { id } = await userBy(catalog, reference);
    if (admin !== undefined) await setPlatformAdmin(accounts, id, admin);
    if (active !== undefined) await setUserActive(accounts, id, active);
    return userBy(catalog, id);
  });
}

async function userBy(catalog: Catalog, reference: string): Promise<User> {
  const { User } = await import('../../catalog/entities/user.entity.ts');
  const { userByEmail } = await import('../../auth/users.ts');
  const user = isUuid(reference)
    ? await catalog.fork().findOne(User, { id: reference })
    : await userByEmail(catalog, reference);
  if (!user) throw new AppError('NOT_FOUND', `There is no user ${reference}`);
  return user;
}
