import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TokenRequest } from '../../auth/tokens/tokens.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { User } from '../../catalog/entities/user.entity.ts';
import type { TenantDirectory } from '../../catalog/tenant-directory.ts';
import type { Services } from '../../installation/services.ts';
import { AppError } from '../../lib/errors.ts';
import { anyCase } from '../choices.ts';
import { createLogger, withAudit, withServices } from '../open-app.ts';
import { type CommandContext, oneLine } from '../ui/terminal.ts';

interface TokenOptions {
  readonly admin?: true;
  readonly tenant?: string;
  readonly user?: string;
  readonly role?: string;
  readonly expires: string;
}

const examples = `
Examples:
  tenantry token --admin
  tenantry token --tenant acme --expires 30d
  curl -H "authorization: Bearer $(tenantry token --tenant acme)" …`;

/** `tenantry token`: prints a JWT that the server accepts. */
export function addTokenCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('token')
    .description('Print a JWT, signed with the configured private key or secret')
    .addOption(
      new Option('--admin', 'for a platform admin; valid for at most MAX_ADMIN_TOKEN_HOURS').conflicts(['role']),
    )
    .option('--tenant <slug>', 'the tenant that it gives access to, by slug or id')
    .option('--user <email>', 'the user of this installation that it is for')
    .addOption(
      anyCase(new Option('--role <role>', "the bearer's role in the tenant").choices(['OWNER', 'ADMIN', 'MEMBER'])),
    )
    .option('--expires <time>', 'its lifetime, such as 15m, 2h or 30d', parseTime, '2h')
    .addHelpText('after', examples);
  command.action(async (options: TokenOptions) => {
    if (!options.admin && !options.tenant) {
      const withUser = options.user ? ' together with --user: a token is for a tenant or for a platform admin' : '';
      command.error(`error: use --admin or --tenant <slug>${withUser}`);
    }
    context.stdout.write(`${await makeToken(context, options)}\n`);
  });
}

async function makeToken(
  context: CommandContext,
  { admin, tenant, user, role, expires }: TokenOptions,
): Promise<string> {
  const { loadConfig } = await import('../../config/config.ts');
  const { loadTokenKeys } = await import('../../auth/tokens/keys.ts');
  const { createTokens } = await import('../../auth/tokens/tokens.ts');
  const config = loadConfig(context.env);
  const { maxAdminTokenHours } = config.accounts.trustedClaims;
  if (admin) checkLifetime(expires, maxAdminTokenHours);
  const keys = await loadTokenKeys(config.tokens.keys, config.dataDir);
  const tokens = createTokens(keys, config.tokens, await createLogger(context));
  const request = { platformAdmin: admin === true, tenant, role, expiresIn: expires };
  const issue = async (services?: Services, bearer: Pick<TokenRequest, 'email' | 'subject'> = {}) => {
    if (services && tenant !== undefined) await warnIfUnknown(context, services.directory, tenant);
    return tokens.issue({ ...request, ...bearer });
  };
  if (user === undefined) return withAudit(context, config, issue);
  return withServices(context, async (services) => {
    const { id, isPlatformAdmin } = await findUser(services.catalog, user);
    if (isPlatformAdmin) checkLifetime(expires, maxAdminTokenHours);
    return issue(services, { email: user, subject: id });
  });
}

/** @throws {AppError} BAD_USER_INPUT if the server would reject a platform admin's token with this lifetime */
function checkLifetime(expires: string, maxHours: number): void {
  if (secondsOf(expires) <= maxHours * 3600) return;
  throw new AppError(
    'BAD_USER_INPUT',
    `A platform admin's token may be valid for ${maxHours} hours at most, but --expires ${expires} is longer. Use a shorter time, or raise MAX_ADMIN_TOKEN_HOURS here and on the servers.`,
  );
}

/** A token for a missing tenant is only a warning, because the tenant may be created later. */
async function warnIfUnknown({ stderr }: CommandContext, directory: TenantDirectory, reference: string): Promise<void> {
  // If the database does not answer, writing to the audit log reports it.
  const isKnown = await directory.byReference(reference).then(Boolean, () => true);
  if (isKnown) return;
  stderr.write(
    `There is no tenant ${oneLine(reference)}: the token is useless until it is created. To list the tenants: tenantry tenant list\n`,
  );
}

async function findUser(catalog: Catalog, email: string): Promise<User> {
  const { userByEmail } = await import('../../auth/users.ts');
  const user = await userByEmail(catalog, email);
  if (!user) throw new AppError('NOT_FOUND', `There is no user with the email address ${email}`);
  return user;
}

/** Seconds of each unit, by its first letter. */
const unitSeconds: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  y: 31_557_600,
};
const MAX_SECONDS = 100 * 31_557_600;

function parseTime(text: string): string {
  const seconds = secondsOf(text);
  if (seconds >= 1 && seconds <= MAX_SECONDS) return text;
  throw new InvalidArgumentError('Use a number with a unit, such as 15m, 2h or 30d, up to 100 years.');
}

/** Returns NaN if the text is not a duration. */
function secondsOf(text: string): number {
  const pattern = /^(\d+) ?(s|m|h|d|w|y|seconds?|minutes?|hours?|days?|weeks?|years?)$/;
  const [, amount, unit = ''] = pattern.exec(text) ?? [];
  return Number(amount) * (unitSeconds[unit.charAt(0)] ?? Number.NaN);
}
