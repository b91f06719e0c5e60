import { type Command, Option } from 'commander';
import type { MemberRole } from '../../catalog/entities/membership.entity.ts';
import type { User } from '../../catalog/entities/user.entity.ts';
import type { TokenConfig } from '../../config/token-config.ts';
import { AppError } from '../../lib/errors.ts';
import { anyCase } from '../choices.ts';
import { withServices } from '../open-app.ts';
import { type Column, writeTable } from '../ui/table.ts';
import { type CommandContext, writeJson } from '../ui/terminal.ts';
import { addUpdateCommand } from './user-update.ts';

interface CreateOptions {
  readonly name?: string;
  readonly admin?: true;
  readonly tenant?: string;
  readonly role?: MemberRole;
}

interface ListOptions {
  readonly search?: string;
  readonly json?: true;
}

const examples = `
The command asks for the password, or reads it from standard input.

Examples:
  tenantry user create ada@example.com --admin
  tenantry user create bob@example.com --tenant acme --role OWNER < password.txt`;

/** `tenantry user create | update | list`: users' accounts, such as that of the first platform admin. */
export function addUserCommand(program: Command, context: CommandContext): void {
  const user = program.command('user').description("Manage users' accounts");
  addCreateCommand(user, context);
  addUpdateCommand(user, context);
  user
    .command('list')
    .description('List the accounts, oldest first')
    .option('--search <text>', 'only accounts with this text in the email address or the name')
    .option('--json', 'print JSON')
    .action((options: ListOptions) => list(context, options));
}

function addCreateCommand(user: Command, context: CommandContext): void {
  const command = user
    .command('create')
    .description('Create an account')
    .argument('<email>', 'the email address to sign in with')
    .option('--name <name>', "the user's display name; defaults to the first part of the address")
    .option('--admin', 'make the user a platform admin')
    .option('--tenant <slug>', 'make the user a member of this tenant, by slug or id')
    .addOption(
      anyCase(
        new Option('--role <role>', "the user's role in the tenant (default: MEMBER)").choices([
          'OWNER',
          'ADMIN',
          'MEMBER',
        ]),
      ),
    )
    .addHelpText('after', examples);
  command.action(async (email: string, options: CreateOptions) => {
    if (options.role && !options.tenant) command.error('error: --role needs --tenant <slug>');
    // Checked before the user types a password.
    const { loadConfig } = await import('../../config/config.ts');
    checkUse(loadConfig(context.env).tokens, options);
    const { readNewPassword } = await import('../ui/password.ts');
    await createAccount(context, email, await readNewPassword(context), options);
    const rights = options.admin ? ', a platform admin' : '';
    const membership = options.tenant ? `, ${options.role ?? 'MEMBER'} of ${options.tenant}` : '';
    context.stdout.write(`${email} may sign in${rights}${membership}\n`);
  });
}

/** @throws {AppError} FORBIDDEN if nobody could ever sign in to the account */
function checkUse({ keys, providers }: TokenConfig, { admin }: CreateOptions): void {
  if (keys.kind !== 'none' || (!admin && providers.some(({ linkByEmail }) => linkByEmail))) return;
  const what = admin
    ? 'Accounts of platform admins cannot be linked to its users. After the first request of the user, run: tenantry user update <user> --admin'
    : 'Its users are only linked to accounts that are created here if LINK_BY_EMAIL is set.';
  throw new AppError('FORBIDDEN', `Local sign-in is disabled: users sign in with the identity provider. ${what}`);
}

async function createAccount(
  context: CommandContext,
  email: string,
  password: string,
  { name = email.split('@')[0] ?? '', admin, tenant: reference, role = 'MEMBER' }: CreateOptions,
): Promise<void> {
  const { createUser } = await import('../../auth/users.ts');
  const { Membership } = await import('../../catalog/entities/membership.entity.ts');
  const { tenantByReference } = await import('../../catalog/find-tenants.ts');
  await withServices(context, async ({ accounts, catalog }) => {
    const tenant = reference === undefined ? undefined : await tenantByReference(catalog, reference);
    const user = await createUser(accounts, { email, name, password, isPlatformAdmin: admin === true });
    if (!tenant) return;
    const em = catalog.fork();
    em.create(Membership, { user: user.id, tenant: tenant.id, role });
    await em.flush();
  });
}

async function list(context: CommandContext, { search, json }: ListOptions): Promise<void> {
  const { userWhere } = await import('../../auth/users.ts');
  const { User } = await import('../../catalog/entities/user.entity.ts');
  const views = await withServices(context, async ({ catalog }) => {
    const users = await catalog.fork().find(User, userWhere(search), { orderBy: { createdAt: 'asc', id: 'asc' } });
    return users.map(viewOf);
  });
  if (json) writeJson(context.stdout, views);
  else if (views.length === 0) context.stderr.write('There are no such users.\n');
  else writeTable(context, context.stdout, columns, views);
}

/** An account for the command line. The fields are those of `--json`. */
interface UserView {
  readonly id: string;
  /** Null if the identity provider has not sent one. */
  readonly email: string | null;
  readonly name: string;
  readonly isPlatformAdmin: boolean;
  readonly active: boolean;
  readonly createdAt: string;
}

function viewOf({ id, email, name, isPlatformAdmin, active, createdAt }: User): UserView {
  return { id, email: email ?? null, name, isPlatformAdmin, active, createdAt: createdAt.toISOString() };
}

const columns: readonly Column<UserView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'EMAIL', value: ({ email }) => email },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'ADMIN', value: ({ isPlatformAdmin }) => (isPlatformAdmin ? 'yes' : 'no') },
  { title: 'ACTIVE', value: ({ active }) => (active ? 'yes' : 'no') },
  { title: 'CREATED', value: ({ createdAt }) => createdAt.slice(0, 10) },
];
