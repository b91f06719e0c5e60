import { type Command, Option } from 'commander';
import { showHost } from '../../config/server-hosts.ts';
import type { ServerNode } from '../../servers/citus/tenant-nodes.ts';
import type { ServerInfo } from '../../servers/list.ts';
import { anyCase } from '../choices.ts';
import { withServices } from '../open-app.ts';
import { type Column, writeTable } from '../ui/table.ts';
import { type CommandContext, writeJson } from '../ui/terminal.ts';

const addHelp = `
The role in the URL must be allowed to create databases and roles. If the URL has no password, the variable PGPASSWORD is
used, which keeps the password out of the shell's history. To change the password or address of a server, add it again
under the same name.

The URL may name several hosts, as in postgres://tenantry@one:5432,two:5432/postgres, of which the primary is used. Its options
are sslmode, target_session_attrs, connect_timeout, host and port.

With --pooler-url, requests of its tenants go through a connection pooler of this server, such as PgBouncer. Of its URL, only the
host, the port and sslmode matter.

Example:
  PGPASSWORD=… tenantry server add eu postgres://tenantry@db-eu.example.com/postgres?sslmode=verify-full`;

interface ListedServer extends ServerInfo {
  /** The nodes of its Citus cluster; none where Citus is not. */
  readonly nodes: readonly ServerNode[];
}

/** `tenantry server list | add | update | remove`: the PostgreSQL servers that hold tenants. */
export function addServerCommand(program: Command, context: CommandContext): void {
  const { env, stdout } = context;
  const server = program
    .command('server')
    .description('List, add, change and remove the PostgreSQL servers that hold tenants');
  server
    .command('list')
    .description('List the servers and whether they and their poolers answer')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }) => {
      const { listServers } = await import('../../servers/list.ts');
      const { readServerNodes } = await import('../../servers/citus/tenant-nodes.ts');
      const infos = await withServices(context, async ({ catalog, servers, poolers, config }) => {
        const listed = await listServers({ catalog, servers, poolers });
        return Promise.all(
          listed.map(async (info): Promise<ListedServer> => {
            const server = info.answers ? servers.get(info.name) : undefined;
            return { ...info, nodes: server ? await readServerNodes(server, config.databases.shared) : [] };
          }),
        );
      });
      if (json) return writeJson(stdout, infos);
      const hasNodes = infos.some(({ nodes }) => nodes.length > 0);
      writeTable(context, stdout, hasNodes ? [...columns, nodesColumn] : columns, infos);
    });
  const add = server
    .command('add')
    .description('Add a server; running processes use it immediately')
    .argument('<name>', 'its name: a to z, 0 to 9 and -')
    .argument('<url>', 'such as postgres://user:password@host:5432/postgres')
    .option(
      '--pooler-url <url>',
      'a connection pooler for requests of its tenants; by default the one that it has, if any',
    )
    .addHelpText('after', addHelp)
    .action(async (name: string, url: string, { poolerUrl }: { poolerUrl?: string }) => {
      if (poolerUrl !== undefined && isNone(poolerUrl)) {
        add.error(
          'error: --pooler-url none is for tenantry server update, which takes a pooler away; leave it out here',
        );
      }
      const { describeCluster } = await import('../../servers/citus/problems.ts');
      const { added, cluster } = await withServices(context, async ({ servers, config }) => {
        const isNew = await servers.add(name, withPassword(url, env.PGPASSWORD), poolerUrl);
        const { server: there } = await servers.find(name);
        return { added: isNew, cluster: await describeCluster(there, config.databases.shared) };
      });
      stdout.write(added ? `The server ${name} was added.\n` : `The URL of the server ${name} was changed.\n`);
      for (const line of cluster) stdout.write(`${line}\n`);
    });
  const update = server
    .command('update')
    .description('Change whether a server accepts new tenants, and its pooler')
    .argument('<name>', 'its name; see tenantry server list')
    .addOption(
      anyCase(
        new Option(
          '--accepts-tenants <answer>',
          'whether tenants are created, cloned, imported or moved there; no: its tenants stay, and no others come',
        ).choices(['yes', 'no']),
      ),
    )
    .option('--pooler-url <url>', 'a connection pooler for requests of its tenants; none: they connect directly');
  update.action(async (name: string, { acceptsTenants, poolerUrl }: UpdateOptions) => {
    if (acceptsTenants === undefined && poolerUrl === undefined) {
      update.error('error: say what to change: --accepts-tenants or --pooler-url');
    }
    const change = {
      acceptsTenants: acceptsTenants && acceptsTenants === 'yes',
      poolerUrl: poolerUrl !== undefined && isNone(poolerUrl) ? null : poolerUrl,
    };
    await withServices(context, ({ servers }) => servers.update(name, change));
    if (acceptsTenants) {
      stdout.write(`The server ${name} accepts ${change.acceptsTenants ? 'new' : 'no new'} tenants.\n`);
    }
    if (poolerUrl !== undefined) {
      const where = change.poolerUrl === null ? 'connect directly' : 'go through the pooler';
      stdout.write(`Requests to tenants on the server ${name} ${where}.\n`);
    }
  });
  server
    .command('remove')
    .description('Remove a server without tenants; its databases and roles are not deleted')
    .argument('<name>', 'its name; see tenantry server list')
    .action(async (name: string) => {
      await withServices(context, ({ servers }) => servers.remove(name));
      stdout.write(`The server ${name} was removed.\n`);
    });
}

interface UpdateOptions {
  readonly acceptsTenants?: 'yes' | 'no';
  readonly poolerUrl?: string;
}

function isNone(poolerUrl: string): boolean {
  return poolerUrl.toLowerCase() === 'none';
}

/** Adds the password to a URL that has a user and none. */
function withPassword(text: string, password: string | undefined): string {
  if (!password) return text;
  // Node's URL cannot write several hosts.
  return text.replace(
    /^([^:/?#]+:\/\/[^:/?#]+):?(?=@[^@/?#]*([/?]|$))/,
    (_, before: string) => `${before}:${encodeURIComponent(password)}`,
  );
}

/** Shown if a server has a Citus cluster. */
const nodesColumn: Column<ListedServer> = {
  title: 'NODES (TENANTS)',
  value: ({ nodes }) => nodes.map(({ address, tenantCount }) => `${address} (${tenantCount})`).join(', '),
};

const columns: readonly Column<ServerInfo>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'ADDRESS', value: ({ host, port }) => (host === null || port === null ? '?' : showHost({ host, port })) },
  { title: 'POOLER', value: ({ pooler }) => pooler ?? '-' },
  { title: 'TENANTS', value: ({ tenantCount }) => tenantCount },
  { title: 'CONNECTIONS', value: ({ connections }) => connections },
  { title: 'OF', value: ({ maxConnections }) => maxConnections },
  { title: 'PROCESSES', value: ({ processes }) => processes },
  { title: 'MAY OPEN', value: ({ processConnections }) => processConnections },
  { title: 'ACCEPTS TENANTS', value: ({ acceptsTenants }) => (acceptsTenants ? 'yes' : 'no') },
  { title: 'STATE', value: ({ error }) => error ?? 'answers' },
];
