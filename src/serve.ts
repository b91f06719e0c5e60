import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { type App, createApp } from './app.ts';
import { type Config, loadConfig } from './config.ts';
import { isLocalHost } from './graphql/browsers.ts';
import { refuseMalformedRequests } from './graphql/malformed-requests.ts';
import { buildSchema } from './graphql/schema.ts';
import { createGraphqlServer } from './graphql/server.ts';
import { logOptions } from './log.ts';
import { explainStartFailure } from './start-failure.ts';

/** How long the greeting waits for what it may have to tell, in milliseconds. */
const GREETING_WAIT_MS = 2_000;

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
  try {
    await using app = await createApp(config, log);
    const token = await developmentToken(config, app.services.tokens);
    const isLocal = isLocalHost(config.http.host);
    const yoga = createGraphqlServer(app.services, buildSchema(), token && isLocal ? authorizationHeader(token) : {});
    const server = createServer(refuseMalformedRequests(yoga));
    const url = await listen(server, config.http);
    if (config.graphql.graphiql) out.write(greeting(url, token, isLocal, await problemSoon(app)));
    else out.write(`Tenantry listens at ${url}\n`);
    await stopped;
    log.info('stopping');
    app.beginStop();
    await drain(server, config.http.shutdownSeconds);
  } catch (error) {
    throw new Error(explainStartFailure(error, config.server), { cause: error });
  }
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
  try {
    await using _app = await createApp(config, log);
    out.write(`Working on migration runs, on ${config.migrations.concurrency} tenants at once\n`);
    await stopped;
    log.info('stopping');
  } catch (error) {
    throw new Error(explainStartFailure(error, config.server), { cause: error });
  }
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
  return { localHeaders: JSON.stringify({ authorization: `Bearer ${token}` }, null, 2) };
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
  // What still comes on a connection that is kept alive is answered, and the connection closed.
  server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  const closed = new Promise((resolve) => server.close(resolve));
  const sweep = setInterval(() => server.closeIdleConnections(), 100);
  const limit = setTimeout(() => server.closeAllConnections(), limitSeconds * 1000);
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
}

/** Why no tenant can be created, if that is found out soon. */
function problemSoon({ prepared }: App): Promise<string | undefined> {
  return Promise.race([prepared, sleep(GREETING_WAIT_MS, undefined, { ref: false })]);
}

function greeting(url: string, token: string | undefined, isLocal: boolean, problem: string | undefined): string {
  const place = isLocal ? "GraphiQL's headers have it already" : "paste it into GraphiQL's headers as authorization";
  const lines = [
    '',
    `Tenantry is up. GraphiQL: ${url}`,
    '',
    problem === undefined
      ? 'Try there, from the top down: create a tenant, list the fleet, run its migrations, watch them.'
      : `No tenant can be created until this is mended: ${problem}`,
    'Then make a token for that tenant, for what a frontend sees:',
    '',
    '  npm run -s tenantry -- token --tenant acme',
    '',
    ...(token ? [`A platform admin's token, for development only (${place}):`, '', token, ''] : []),
  ];
  return `${lines.join('\n')}\n`;
}
