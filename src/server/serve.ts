import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { isLocalHost } from '../api/cors.ts';
import { refuseMalformedRequests } from '../api/malformed-requests.ts';
import type { Tokens } from '../auth/tokens/tokens.ts';
import type { Config } from '../config/config.ts';
import { loadUsableConfig } from '../config/load-config.ts';
import { type Installation, openInstallation } from '../installation/open.ts';
import type { LoadProduct, Product } from '../installation/product.ts';
import { explainStartFailure } from '../installation/start-failure.ts';
import { onSignals } from '../lib/signals.ts';
import { openHttpListener } from './http-listener.ts';

/** How long the greeting waits for what it may have to tell, in milliseconds. */
const GREETING_WAIT_MS = 15_000;

/**
 * Serves until SIGTERM or SIGINT comes, then drains: no new requests, and those under way end within the limit.
 * @param out where the address is printed, and what to try
 * @param loadProduct loads what is built on the platform
 * @throws {ConfigError} if the settings cannot be used
 */
export async function serve(
  env: Readonly<Record<string, string | undefined>>,
  out: NodeJS.WritableStream,
  loadProduct: LoadProduct,
): Promise<void> {
  const config = await loadUsableConfig(env);
  const log = createLogger(config);
  const stop = stopSignal(env);
  try {
    const product = await loadProduct();
    // Before anything else: a start that fails since the port is taken has not touched anything then.
    await using listener = await openHttpListener(config.http, log);
    await using app = await start(config, product, log, stop);
    if (!app) return;
    // Workers and commands start sooner without them.
    const { createGraphqlServer } = await import('../api/server.ts');
    const { buildSchema } = await import('./build-schema.ts');
    const token = await developmentToken(config, app.services.tokens);
    const isLocal = isLocalHost(config.http.host);
    const headers = token && isLocal ? authorizationHeader(token) : {};
    listener.open(refuseMalformedRequests(createGraphqlServer(app.services, await buildSchema(product), headers)));
    const { canIssue } = app.services.tokens;
    if (config.graphql.graphiql && config.environment !== 'production')
      out.write(greeting({ url: listener.url, token, canIssue, isLocal, problem: await problemSoon(app, stop) }));
    else announce(`Tenantry listens at ${listener.url}`, config, log, out);
    await aborted(stop);
    log.info('stopping');
    app.beginStop();
    await listener.drain(config.http.shutdownSeconds);
  } catch (error) {
    throw new Error(explainStartFailure(error, config.server), { cause: error });
  }
}

/**
 * Carries out migration runs, and serves nothing, until SIGTERM or SIGINT comes; tenants under way end first.
 * @param out where it is printed that it works
 * @param loadProduct loads what is built on the platform
 * @throws {ConfigError} if the settings cannot be used
 */
export async function runWorker(
  env: Readonly<Record<string, string | undefined>>,
  out: NodeJS.WritableStream,
  loadProduct: LoadProduct,
): Promise<void> {
  const config = await loadUsableConfig({ ...env, WORKER: 'inline' });
  const log = createLogger(config);
  const stop = stopSignal(env);
  try {
    await using app = await start(config, await loadProduct(), log, stop);
    if (!app) return;
    announce(`Working on migration runs, on ${config.migrations.concurrency} tenants at once`, config, log, out);
    await aborted(stop);
    log.info('stopping');
  } catch (error) {
    throw new Error(explainStartFailure(error, config.server), { cause: error });
  }
}

/** In production every line is one of the log. */
function announce(text: string, { environment }: Config, log: Logger, out: NodeJS.WritableStream): void {
  if (environment === 'production') log.info(text);
  else out.write(`${text}\n`);
}

function createLogger({ environment, logLevel }: Config): Logger {
  const pretty = environment === 'development' && {
    transport: { target: 'pino-pretty', options: { singleLine: true } },
  };
  return pino({ level: logLevel, ...pretty });
}

/** Undefined if the signal to stop came first; nothing is left running then. */
async function start(
  config: Config,
  product: Product,
  log: Logger,
  stop: AbortSignal,
): Promise<Installation | undefined> {
  try {
    return await openInstallation(config, product, log, stop);
  } catch (error) {
    if (!stop.aborted) throw error;
    log.info('stopped before it was ready');
    return undefined;
  }
}

/** Aborted by the first SIGINT or SIGTERM from now on; the next one ends the process at once. */
function stopSignal(env: Readonly<Record<string, string | undefined>>): AbortSignal {
  const stop = new AbortController();
  const signals = onSignals(['SIGINT', 'SIGTERM'], env, ({ name, isRepeated }) => {
    stop.abort();
    if (!isRepeated) return;
    signals[Symbol.dispose]();
    process.kill(process.pid, name);
  });
  return stop.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** In development only, and only if this server can make tokens: a platform admin's. */
async function developmentToken({ environment }: Config, tokens: Tokens): Promise<string | undefined> {
  if (environment !== 'development' || !tokens.canIssue) return undefined;
  return tokens.issue({ platformAdmin: true, expiresIn: '12h' });
}

function authorizationHeader(token: string) {
  return { localHeaders: JSON.stringify({ authorization: `Bearer ${token}` }, null, 2) };
}

/** Why no tenant can be created, if that is found out soon, and before the server is to stop. */
function problemSoon({ prepared }: Installation, stop: AbortSignal): Promise<string | undefined> {
  const limit = sleep(GREETING_WAIT_MS, undefined, { ref: false, signal: stop }).catch(() => undefined);
  return Promise.race([prepared, limit]);
}

interface Greeting {
  readonly url: string;
  /** A platform admin's, if there is one. */
  readonly token: string | undefined;
  /** Whether tokens can be made here. */
  readonly canIssue: boolean;
  readonly isLocal: boolean;
  readonly problem: string | undefined;
}

function greeting({ url, token, canIssue, isLocal, problem }: Greeting): string {
  const place = isLocal ? "GraphiQL's headers have it already" : "paste it into GraphiQL's headers as authorization";
  const forTenants = canIssue
    ? [
        'Then make a token for that tenant, for what a frontend sees:',
        '',
        '  npm run -s tenantry -- token --tenant acme',
        '',
      ]
    : [
        'Tokens are made elsewhere. Whoever has sent a request with one can be made a platform admin:',
        '',
        '  npm run -s tenantry -- user list',
        '  npm run -s tenantry -- user update ID --admin',
        '',
      ];
  const lines = [
    '',
    `Tenantry is up. GraphiQL: ${url}`,
    '',
    problem === undefined
      ? 'Try there, from the top down: create a tenant, list the fleet, run its migrations, watch them.'
      : `No tenant can be created until this is mended: ${problem}`,
    ...forTenants,
    ...(token ? [`A platform admin's token, for development only (${place}):`, '', token, ''] : []),
  ];
  return `${lines.join('\n')}\n`;
}
