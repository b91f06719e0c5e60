import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { ModuleRoute } from '../../installation/module-route.ts';
import type { Services } from '../../installation/services.ts';
import { currentRequest } from '../../telemetry/request-record.ts';
import { currentRequestId, type HeaderReader, handleRequest, traceField } from '../request-log.ts';
import type { Admission } from '../shares/admission.ts';
import { allowOrigin, answerPreflight } from './route-cors.ts';
import { sendError, sendMethodNotAllowed } from './route-errors.ts';
import { useTenant } from './use-tenant.ts';

/** How long the connection of a transfer may be idle, in milliseconds. */
const IDLE_MS = 30_000;

/** What routes need. */
export interface ModuleRoutesOptions {
  readonly services: Services;
  readonly admission: Admission;
  readonly routes: readonly ModuleRoute[];
  /** Receives the connections on which bodies are transferred, while they are; see `RouteRequest.stream`. */
  readonly streaming: WeakSet<Socket>;
}

/** Passes requests to the routes of modules, and all others to `next`. */
export function answerModuleRoutes(next: RequestListener, options: ModuleRoutesOptions): RequestListener {
  const { services, routes } = options;
  if (routes.length === 0) return next;
  return (incoming, response) => {
    const path = incoming.url?.split('?', 1)[0] ?? '';
    const route = routes.find(({ prefix }) => path.startsWith(prefix));
    if (!route) return next(incoming, response);
    const headers: HeaderReader = { get: (name) => incoming.headers[name]?.toString() ?? null };
    const handle = () => answer(route, path, incoming, response, options);
    void handleRequest(services, { headers, span: `request ${route.prefix}` }, handle);
  };
}

/** Never rejects. */
async function answer(
  route: ModuleRoute,
  path: string,
  incoming: IncomingMessage,
  response: ServerResponse,
  options: ModuleRoutesOptions,
): Promise<void> {
  const { services, admission } = options;
  const start = performance.now();
  const requestId = currentRequestId();
  const record = currentRequest();
  const log = services.log.child({ requestId, ...traceField(record) });
  if (record) record.log = log;
  const gone = goneSignal(response);
  response.setHeader('x-request-id', requestId);
  allowOrigin(services.config.http, incoming, response);
  try {
    if (incoming.method === 'OPTIONS') answerPreflight(route, incoming, response);
    else if (!route.methods.includes(incoming.method ?? '')) sendMethodNotAllowed(route, response);
    else {
      await route.handle({
        incoming,
        response,
        rest: path.slice(route.prefix.length),
        services: services.moduleServices,
        log,
        gone,
        inTenant: (tenant, work) => useTenant({ services, admission, incoming, gone }, tenant, work),
        stream: (limitMs) => stream(incoming.socket, response, limitMs, options.streaming),
      });
    }
  } catch (error) {
    sendError(error, response, requestId, log);
  }
  if (record?.tenant) services.loads.add(record.tenant.id, performance.now() - start);
  logRequest(log, route, incoming, response, start);
}

function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

function stream(socket: Socket, response: ServerResponse, limitMs: number, streaming: WeakSet<Socket>): void {
  streaming.add(socket);
  // Node closes a connection that is idle for so long, and sets its usual time-out after the response.
  socket.setTimeout(IDLE_MS);
  const limit = setTimeout(() => socket.destroy(), limitMs);
  response.once('close', () => {
    clearTimeout(limit);
    streaming.delete(socket);
  });
}

/** The path is not logged: it may have a secret. */
function logRequest(
  log: Logger,
  { prefix }: ModuleRoute,
  { method }: IncomingMessage,
  { statusCode, destroyed, writableFinished }: ServerResponse,
  start: number,
): void {
  const durationMs = Math.round(performance.now() - start);
  const aborted = destroyed && !writableFinished;
  const { statements = 0, waitMs = 0 } = currentRequest() ?? {};
  const used = { statements, waitMs: Math.round(waitMs) };
  log.info({ route: prefix, method, status: statusCode, durationMs, ...used, ...(aborted && { aborted }) }, 'request');
}
