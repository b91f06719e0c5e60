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

/** `tenantry user update`: what an admin does with setPlatformAdmin and setUserActive, also where there is no admin yet. */
export function addUpdateCommand(user: Command, context: CommandContext): void {
  const command = user
    .command('update')
    .description('Make a user a platform admin, or keep one out; also a person of an identity provider')
    .argument('<user>', 'the address or the id of the account')
    .option('--admin', 'a platform admin')
    .option('--no-admin', 'no platform admin any more')
    .option('--active', 'let in again')
    .option('--no-active', 'let in no more, and signed out')
    .addHelpText('after', examples);
  command.action(async (reference: string, options: UpdateOptions) => {
    if (Object.keys(options).length === 0) command.error('error: say --admin, --no-admin, --active or --no-active');
    const { id, email, isPlatformAdmin, active } = await update(context, reference, options);
    const rights = isPlatformAdmin ? 'a platform admin' : 'no platform admin';
    context.stdout.write(`The user ${email ?? id} is ${rights}, and ${active ? 'let in' : 'not let in'}.\n`);
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
