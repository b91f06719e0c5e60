import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphQLSchema } from 'graphql';
import { type Logger, pino } from 'pino';
import { isLocalHost } from '../api/cors.ts';
import { EXAMPLE_TENANT } from '../api/graphiql/first-steps.ts';
import type { LocalTokens } from '../api/graphiql/graphiql-page.ts';
import { refuseMalformedRequests } from '../api/malformed-requests.ts';
import type { Tokens } from '../auth/tokens/tokens.ts';
import type { Config } from '../config/config.ts';
import { dividedAmong } from '../config/divide-budgets.ts';
import { loadUsableConfig } from '../config/usable-config.ts';
import { startEmbedded } from '../installation/first-server.ts';
import { type Installation, openInstallation } from '../installation/open.ts';
import { type LoadProduct, type Product, routesOf } from '../installation/product.ts';
import { explainStartFailure } from '../installation/start-failure.ts';
import { onSignals } from '../lib/signals.ts';
import { type ChildProcess, thisChildProcess } from './child-process.ts';
import { openHttpListener } from './http-listener.ts';
import { runProcesses } from './processes.ts';

/** How long the greeting waits to find out whether tenants can be created, in milliseconds. */
const GREETING_WAIT_MS = 15_000;

/**
 * Serves until SIGTERM or SIGINT, then drains: it accepts no new requests and gives those in progress a limited time to
 * finish. With SERVER_PROCESSES it does so in several processes.
 * @param out receives the address and what to try next
 * @param loadProduct loads the product
 * @throws {ConfigError} if the settings cannot be used
 */
export async function serve(env: Env, out: NodeJS.WritableStream, loadProduct: LoadProduct): Promise<void> {
  const config = await loadUsableConfig(env);
  await inProcesses(config.processes, config, env, out, async (run) => serveHere(run, loadProduct));
}

async function serveHere({ config, log, stop, out, child }: Run, loadProduct: LoadProduct): Promise<void> {
  const product = await loadProduct();
  await using stack = new AsyncDisposableStack();
  const streaming = new WeakSet<Socket>();
  const listen = async () => stack.use(await openHttpListener(config.http, log, streaming));
  // First, so that a start that fails because the port is taken changes nothing. Beside other processes, one that is not
  // ready must get no requests.
  const early = !child || child.isFirst ? await listen() : undefined;
  await using app = await start(config, product, log, stop);
  if (!app) return;
  // Imported late, because workers and commands start faster without the API.
  const { createGraphqlServer } = await import('../api/server.ts');
  const { Admission } = await import('../api/shares/admission.ts');
  const { createWebSockets } = await import('../api/websockets/websockets.ts');
  const { buildSchema } = await import('./build-schema.ts');
  const tokens = await developmentTokens(config, app.services.tokens);
  const isLocal = isLocalHost(config.http.host);
  const schema = await buildSchema(product);
  const admission = new Admission(config);
  const persistedDocuments = await loadPersistedDocuments(config, schema, log);
  const routes = await routesOf(product);
  const documents = product.modules.flatMap(({ examples }) => examples ?? []);
  const examples = { documents, localTokens: isLocal ? tokens : undefined };
  const options = { examples, admission, persistedDocuments, routes, streaming };
  const server = createGraphqlServer(app.services, schema, options);
  const webSockets = createWebSockets({ server, services: app.services, schema, admission });
  const listener = early ?? (await listen());
  listener.open(refuseMalformedRequests(server));
  listener.openUpgrades(webSockets.upgrade);
  child?.ready();
  const { canIssue } = app.services.tokens;
  if (config.graphql.graphiql && config.environment !== 'production') {
    const { url } = listener;
    const { allowsLocalPages } = config.http;
    const token = tokens?.admin;
    out.write(greeting({ url, token, canIssue, isLocal, allowsLocalPages, problem: await problemSoon(app, stop) }));
  } else announce(`Tenantry listens at ${listener.url}`, config, log, out);
  await aborted(stop);
  log.info('stopping');
  // First, so that subscriptions continue on the next connection instead of being completed.
  webSockets.stop();
  app.beginStop();
  await listener.drain(config.http.shutdownSeconds);
}

/**
 * Carries out migration runs without serving requests, until SIGTERM or SIGINT. Tenants in progress finish first.
 * @param out receives a line when the worker is ready
 * @param loadProduct loads the product
 * @param processes the number of processes that do so
 * @throws {ConfigError} if the settings cannot be used
 */
export async function runWorker(
  env: Env,
  out: NodeJS.WritableStream,
  loadProduct: LoadProduct,
  processes = 1,
): Promise<void> {
  const config = await loadUsableConfig({ ...env, WORKER: 'inline' });
  await inProcesses(processes, config, env, out, async ({ log, stop, child, ...run }) => {
    await using app = await start(run.config, await loadProduct(), log, stop);
    if (!app) return;
    child?.ready();
    announce(`Working on migration runs, ${config.migrations.concurrency} tenants at once`, config, log, run.out);
    await aborted(stop);
    log.info('stopping');
  });
}

type Env = Readonly<Record<string, string | undefined>>;

/** One process of a server or a worker. */
interface Run {
  readonly config: Config;
  readonly log: Logger;
  readonly stop: AbortSignal;
  readonly out: NodeJS.WritableStream;
  /** Undefined if it is the only process. */
  readonly child: ChildProcess | undefined;
}

/** Runs `work` in this process or, as the parent, in several others. */
async function inProcesses(
  count: number,
  config: Config,
  env: Env,
  out: NodeJS.WritableStream,
  work: (run: Run) => Promise<void>,
): Promise<void> {
  const log = createLogger(config);
  const child = thisChildProcess(log);
  try {
    if (child) {
      const divided = dividedAmong(count, config);
      await work({ config: divided, log, stop: child.stop, out: child.isFirst ? out : nowhere(), child });
    } else if (count > 1) {
      dividedAmong(count, config);
      await runProcesses({ count, env, log, prepare: (stop) => preparePostgres(config, log, stop) });
    } else await work({ config, log, stop: stopSignal(env), out, child });
  } catch (error) {
    throw new Error(explainStartFailure(error, config.server), { cause: error });
  }
}

/** Starts the embedded PostgreSQL, if it is used, for all processes. */
async function preparePostgres(config: Config, log: Logger, stop: AbortSignal): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  if (!config.server) await startEmbedded(config, log, stack, stop);
  return stack.move();
}

function nowhere(): NodeJS.WritableStream {
  return new Writable({ write: (_text, _encoding, done) => done() });
}

/** @throws {Error} if they cannot be read */
async function loadPersistedDocuments({ graphql }: Config, schema: GraphQLSchema, log: Logger) {
  if (graphql.persistedDocuments === 'off' || graphql.persistedDocumentsPath === undefined) return new Map();
  const { readPersistedDocuments, invalidDocuments } = await import('../api/persisted-documents.ts');
  const documents = await readPersistedDocuments(graphql.persistedDocumentsPath);
  for (const problem of invalidDocuments(documents, schema)) log.warn(problem);
  log.info({ count: documents.size }, 'persisted documents are loaded');
  return documents;
}

/** Prints a line. In production it is a line of the log. */
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

/** Returns undefined if the stop signal came first; nothing keeps running then. */
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
    log.info('stopped before the server was ready');
    return undefined;
  }
}

/** Returns a signal that the first SIGINT or SIGTERM aborts. The second one ends the process at once. */
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

/** Issues the tokens of GraphiQL, in development only and only if this server can issue tokens. */
async function developmentTokens({ environment, accounts }: Config, tokens: Tokens): Promise<LocalTokens | undefined> {
  if (environment !== 'development' || !tokens.canIssue) return undefined;
  const owner = { tenant: EXAMPLE_TENANT, role: 'OWNER', expiresIn: '12h' };
  return {
    admin: await tokens.issue({ platformAdmin: true, expiresIn: '12h' }),
    owner: accounts.trustedClaims.tenant ? await tokens.issue(owner) : undefined,
  };
}

/** Returns why tenants cannot be created, if that becomes known in time and before the server stops. */
function problemSoon({ prepared }: Installation, stop: AbortSignal): Promise<string | undefined> {
  const limit = sleep(GREETING_WAIT_MS, undefined, { ref: false, signal: stop }).catch(() => undefined);
  return Promise.race([prepared, limit]);
}

interface Greeting {
  readonly url: string;
  /** A platform admin's token. */
  readonly token: string | undefined;
  /** Whether this server can issue tokens. */
  readonly canIssue: boolean;
  readonly isLocal: boolean;
  /** Whether pages of localhost may call the API from any port. */
  readonly allowsLocalPages: boolean;
  readonly problem: string | undefined;
}

function greeting({ url, token, canIssue, isLocal, allowsLocalPages, problem }: Greeting): string {
  const where = isLocal ? "already in GraphiQL's headers" : "paste it into GraphiQL's headers as authorization";
  const forTenants = canIssue
    ? [
        'Then create a token for that tenant to see what a frontend sees:',
        '',
        '  npm run -s tenantry -- token --tenant acme',
        '',
      ]
    : [
        'An identity provider issues the tokens. To make somebody who has sent a request with one a platform admin:',
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
      ? 'Its example operations, from top to bottom: create a tenant, list the fleet, run migrations, watch the run.'
      : `Tenants cannot be created until this is fixed: ${problem}`,
    ...forTenants,
    ...(allowsLocalPages ? ['Pages of localhost may call the API from any port, in development only.', ''] : []),
    ...(token ? [`A platform admin's token, for development only (${where}):`, '', token, ''] : []),
  ];
  return `${lines.join('\n')}\n`;
}
