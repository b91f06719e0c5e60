import type { Command } from 'commander';
import { pino } from 'pino';
import type { ServerInfo } from '../provisioning/list-servers.ts';
import type { Services } from '../services.ts';
import type { Terminal } from './run.ts';

const addHelp = `
The role of the URL must be allowed to create databases and roles. Without a password in the URL, the one of the
variable PGPASSWORD is taken, which leaves no trace in the shell's history. Add a server again, under the same name,
when its password or address has changed.

Example:
  PGPASSWORD=… tenantry server add eu postgres://tenantry@db-eu.example.com/postgres?sslmode=verify-full`;

/** `tenantry server list | add | remove`: the PostgreSQL servers that hold tenants. */
export function addServerCommand(program: Command, { env, stdout }: Terminal): void {
  const server = program.command('server').description('List, add and remove the PostgreSQL servers that hold tenants');
  server
    .command('list')
    .description('List the servers, and whether they answer')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: true }) => {
      const { listServers } = await import('../provisioning/list-servers.ts');
      const infos = await withServices(env, ({ catalog, servers }) => listServers(catalog, servers));
      stdout.write(json ? `${JSON.stringify(infos, null, 2)}\n` : table(infos));
    });
  server
    .command('add')
    .description('Add a server; those that run notice it at once')
    .argument('<name>', 'what to call it: a to z, 0 to 9 and -')
    .argument('<url>', 'such as postgres://user:password@host:5432/postgres')
    .addHelpText('after', addHelp)
    .action(async (name: string, url: string) => {
      const added = await withServices(env, ({ servers }) => servers.add(name, withPassword(url, env.PGPASSWORD)));
      stdout.write(added ? `The server ${name} is added.\n` : `The server ${name} has its new URL.\n`);
    });
  server
    .command('remove')
    .description('Remove a server without tenants; what was made on it is left there')
    .argument('<name>')
    .action(async (name: string) => {
      await withServices(env, ({ servers }) => servers.remove(name));
      stdout.write(`The server ${name} is removed.\n`);
    });
}

async function withServices<T>(env: Terminal['env'], use: (services: Services) => Promise<T>): Promise<T> {
  const { createApp } = await import('../app.ts');
  const { loadConfig } = await import('../config.ts');
  const config = loadConfig(env);
  const settings = { ...config, migrations: { ...config.migrations, worker: 'off' as const } };
  await using app = await createApp(settings, pino({ level: 'silent' }));
  return await use(app.services);
}

function withPassword(text: string, password: string | undefined): string {
  if (!password || !URL.canParse(text)) return text;
  const url = new URL(text);
  if (!url.password) url.password = encodeURIComponent(password);
  return url.href;
}

function table(servers: readonly ServerInfo[]): string {
  const rows = servers.map(({ name, host, port, tenantCount, connectionBudget, acceptsTenants, error }) => [
    name,
    host === null ? '?' : `${host}:${port}`,
    String(tenantCount),
    String(connectionBudget),
    acceptsTenants ? 'yes' : 'no',
    error ?? 'answers',
  ]);
  const lines = [['NAME', 'ADDRESS', 'TENANTS', 'CONNECTIONS', 'ACCEPTS', 'STATE'], ...rows];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
