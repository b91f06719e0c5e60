import { createServer, type Server } from 'node:http';
import { type Logger, pino } from 'pino';
import { createApp } from './app.ts';
import { type Config, loadConfig } from './config.ts';
import { buildSchema } from './graphql/schema.ts';
import { createGraphqlServer } from './graphql/server.ts';
import { logOptions } from './log.ts';

/**
 * Serves until SIGTERM or SIGINT comes, then drains: no new requests, and those under way end within the limit.
 * @param out where the address is printed, and what to try
 * @throws {ConfigError} if the settings cannot be used
 */
export async function serve(
  env: Readonly<Record<string, string | undefined>>,
  out: NodeJS.WritableStream,
): Promise<void> {
  const config = loadConfig(env);
  const log = createLogger(config);
  const stopped = signalled();
  await using app = await createApp(config, log);
  const token = await developmentToken(config, app.services.tokens);
  const server = createServer(
    createGraphqlServer(app.services, buildSchema(), token ? authorizationHeader(token) : {}),
  );
  const url = await listen(server, config.http);
  out.write(greeting(url, config.graphql.graphiql, token));
  await stopped;
  log.info('stopping');
  app.beginStop();
  await drain(server, config.http.shutdownSeconds);
}

/**
 * Carries out migration runs, and serves nothing, until SIGTERM or SIGINT comes; tenants under way end first.
 * @param out where it is printed that it works
 * @throws {ConfigError} if the settings cannot be used
 */
export async function work(
  env: Readonly<Record<string, string | undefined>>,
  out: NodeJS.WritableStream,
): Promise<void> {
  const config = loadConfig({ ...env, WORKER: 'inline' });
  const log = createLogger(config);
  const stopped = signalled();
  await using _app = await createApp(config, log);
  out.write(`Working on migration runs, on ${config.migrations.concurrency} tenants at once\n`);
  await stopped;
  log.info('stopping');
}

function createLogger({ environment, logLevel }: Config): Logger {
  const pretty = environment === 'development' && { transport: { target: 'pino-pretty' } };
  return pino({ ...logOptions, level: logLevel, ...pretty });
}

/** Listens from now on, so that a signal that comes while the server starts is not lost. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

/** In development only, and only if this server can make tokens: a platform admin's. */
async function developmentToken(
  { environment, tokens }: Config,
  issuer: { issue(request: { platformAdmin: boolean; expiresIn: string }): Promise<string> },
): Promise<string | undefined> {
  const canSign = tokens.keys?.kind !== 'jwks' && !(tokens.keys?.kind === 'pair' && !tokens.keys.privateKey);
  return environment === 'development' && canSign ? issuer.issue({ platformAdmin: true, expiresIn: '12h' }) : undefined;
}

function authorizationHeader(token: string) {
  return { defaultHeaders: JSON.stringify({ authorization: `Bearer ${token}` }, null, 2) };
}

/** Resolves to the address of the API. */
async function listen(server: Server, { host, port }: Config['http']): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  const address = server.address();
  const name = host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${typeof address === 'object' && address ? address.port : port}/graphql`;
}

async function drain(server: Server, limitSeconds: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const limit = setTimeout(() => server.closeAllConnections(), limitSeconds * 1000);
  await closed;
  clearTimeout(limit);
}

function greeting(url: string, graphiql: boolean, token: string | undefined): string {
  if (!graphiql) return `Tenantry listens at ${url}\n`;
  const lines = [
    '',
    `Tenantry is up. GraphiQL: ${url}`,
    '',
    'Try there, from top to bottom: create a tenant, list the fleet, run its migrations, watch them.',
    'Then, for what a frontend sees, make a token for that tenant:',
    '',
    '  npm run -s tenantry -- token --tenant acme',
    '',
    ...(token
      ? ["A platform admin's token, for development only. GraphiQL's headers have it already:", '', token, '']
      : []),
  ];
  return `${lines.join('\n')}\n`;
}
