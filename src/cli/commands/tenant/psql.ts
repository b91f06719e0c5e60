import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Command } from 'commander';
import type pg from 'pg';
import type { KnownTenant } from '../../../catalog/tenant-directory.ts';
import type { Services } from '../../../installation/services.ts';
import { onSignals } from '../../../lib/signals.ts';
import { withServices } from '../../open-app.ts';
import { type CommandContext, CommandExit, oneLine } from '../../ui/terminal.ts';

interface PsqlOptions {
  readonly owner?: true;
  readonly url?: true;
}

/** `tenantry psql`. */
export function addPsqlCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('psql')
    .description("Open psql in a tenant's database, as the tenant's role")
    .argument('<slug>', "the tenant's slug or id")
    .usage('[options] <slug> [-- psql-arguments...]')
    .option(
      '--owner',
      "connect as the owner of the tenant's tables instead, who may change them, until a move ends the session: the role of DATABASE_URL; on the embedded server a superuser, who can read and change all tenants",
    )
    .option('--url', 'print the URL, with its password, instead of opening psql')
    .addHelpText('after', "\nExample: tenantry psql acme -- -c 'SELECT count(*) FROM products'")
    .allowExcessArguments()
    .action((slug: string, options: PsqlOptions) => {
      const psqlArguments = command.args.slice(1);
      if (options.url && psqlArguments.length > 0) {
        command.error('error: --url does not start psql; leave the arguments after -- out');
      }
      // The arguments of psql are not written to the audit log, because they may hold tenants' data.
      return open(context, slug, { ...options, psqlArguments });
    });
}

async function open(
  context: CommandContext,
  reference: string,
  { owner, url, psqlArguments }: PsqlOptions & { readonly psqlArguments: readonly string[] },
): Promise<void> {
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const code = await withServices(context, async (services) => {
    const tenant = await tenantByReference(services.catalog, reference);
    const { statusRefusal } = await import('../../../tenants/suspend.ts');
    // What the owner writes while the tenant is moved would be lost.
    if (tenant.status === (owner ? 'MAINTENANCE' : 'DELETED')) throw statusRefusal(tenant, reference);
    const config = owner
      ? await ownerConnection(services, tenant)
      : { ...services.tenants.connectionOf(tenant), application_name: 'tenantry psql' };
    if (owner && context.stderr.isTTY) await warnOfSuperuser(context, services, tenant);
    if (url) return void context.stdout.write(`${urlOf(config)}\n`);
    return runPsql(context, config, psqlArguments);
  });
  if (code) throw new CommandExit(code);
}

async function ownerConnection(
  { servers }: Services,
  { server, key, database, schema }: KnownTenant,
): Promise<pg.ClientConfig> {
  const { ownerShellName } = await import('../../../servers/tenant-sessions.ts');
  const { serverNamed } = await import('../../../postgres/server.ts');
  const { searchPathOf } = await import('../../../migrator/files/common-schema.ts');
  const owned = serverNamed(servers, server);
  owned.requireAdmin();
  const config = owned.connectionTo({ database, session: { search_path: searchPathOf(schema) } });
  return { ...config, application_name: ownerShellName(key) };
}

/** Nothing keeps a superuser from what is not the tenant's. */
async function warnOfSuperuser(
  { stderr }: CommandContext,
  { servers }: Services,
  { slug, server, database }: KnownTenant & { readonly slug: string },
): Promise<void> {
  const { serverNamed } = await import('../../../postgres/server.ts');
  const { rows } = await serverNamed(servers, server).owner(database, (client) =>
    client.query<{ role: string; isSuperuser: boolean }>(
      'SELECT rolname AS role, rolsuper AS "isSuperuser" FROM pg_roles WHERE rolname = current_user',
    ),
  );
  const [found] = rows;
  if (!found?.isSuperuser) return;
  stderr.write(
    `You connect as ${oneLine(found.role)}, a superuser: you can read and change everything on the server ${server}, not only the tenant ${slug}, and no permission, limit or row-level policy stops you.\n`,
  );
}

/** libpq would prefer these to the tenant's server. */
const notOurs = { PGSERVICE: undefined, PGHOSTADDR: undefined };

/** Returns the exit status of psql. */
async function runPsql(context: CommandContext, config: pg.ClientConfig, args: readonly string[]): Promise<number> {
  // In psql, Ctrl-C cancels a statement and does not end the program.
  using _signals = onSignals(['SIGINT'], context.env, () => undefined);
  const child = spawn('psql', args, {
    env: { ...context.env, ...notOurs, ...psqlEnv(config) },
    stdio: [
      isOwn(context.stdin, process.stdin),
      isOwn(context.stdout, process.stdout),
      isOwn(context.stderr, process.stderr),
    ],
  });
  if (child.stdin) context.stdin.pipe(child.stdin);
  child.stdout?.pipe(context.stdout, { end: false });
  child.stderr?.pipe(context.stderr, { end: false });
  try {
    // The event has the exit status, or null after a signal.
    const [code] = (await once(child, 'close')) as [number | null];
    return code ?? 1;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new Error(
      "psql is not installed. Install PostgreSQL's client, or use another one with the URL that --url prints.",
      {
        cause: error,
      },
    );
  }
}

/** psql has line editing only on a terminal, so it gets the streams of this process where it can. */
function isOwn(stream: unknown, own: unknown): 'inherit' | 'pipe' {
  return stream === own ? 'inherit' : 'pipe';
}

/**
 * The connection for programs of libpq. A password in the arguments would be visible to other users of the machine.
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
function psqlEnv({
  host,
  port,
  user,
  password,
  database,
  options,
  ssl,
  application_name,
}: pg.ClientConfig): Readonly<Record<string, string>> {
  return {
    PGHOST: host ?? '',
    PGPORT: String(port),
    PGUSER: user ?? '',
    PGPASSWORD: String(password),
    PGDATABASE: database ?? '',
    PGOPTIONS: options ?? '',
    PGSSLMODE: sslModeOf(ssl),
    PGAPPNAME: application_name ?? '',
  };
}

/** @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS */
function urlOf(config: pg.ClientConfig): string {
  const { host, port, user, password, database, options, ssl, application_name = '' } = config;
  const [name, secret, db] = [user ?? '', String(password), database ?? ''].map(encodeURIComponent);
  const parameters = new URLSearchParams({ sslmode: sslModeOf(ssl), options: options ?? '', application_name });
  // That of a socket is a folder.
  const at = host?.includes(':') ? `[${host}]` : encodeURIComponent(host ?? '');
  // libpq does not read + as a space.
  return `postgres://${name}:${secret}@${at}:${port}/${db}?${parameters.toString().replaceAll('+', '%20')}`;
}

function sslModeOf(ssl: pg.ClientConfig['ssl']): string {
  if (!ssl) return 'disable';
  return typeof ssl === 'object' && ssl.rejectUnauthorized ? 'verify-full' : 'require';
}
