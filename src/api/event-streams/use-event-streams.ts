import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Services } from '../../installation/services.ts';
import { AppError, badInput } from '../../lib/errors.ts';
import { toClientError, tooMuch, withoutHttp } from '../errors.ts';
import { parseBody, readBody } from '../limits/request-body.ts';
import { createOperations, type Operations, type Params, resultOf } from '../operations.ts';
import { createRequestContext, type FetchedRequest, type RequestContext } from '../request-context.ts';
import { currentLog, currentRequestId } from '../request-log.ts';
import { type Admission, rateLimited } from '../shares/admission.ts';
import { EventStream } from './event-stream.ts';

const endpoint = '/graphql/stream';
/** How long a stream is kept for the client that has reserved it, in milliseconds. */
const RESERVED_MS = 10_000;
/** The maximum number of streams of all clients together. */
const MAX_STREAMS = 5_000;
/** The maximum number of concurrent operations of a stream. */
const MAX_OPERATIONS = 100;
/** The maximum size of an operation, in bytes, as for a message of a WebSocket. Larger ones are sent to `/graphql`. */
const MAX_BODY = 128 * 1024;
/** The maximum size of the results of all streams that their clients have not read, in characters. */
const MAX_WAITING = 64 * 1024 * 1024;
/** The maximum length of an operation's id, in characters. */
const MAX_ID = 200;

/** What the streams of a server need. */
export interface EventStreamsOptions {
  readonly services: Services;
  readonly schema: GraphQLSchema;
  readonly admission: Admission;
}

/**
 * Serves the single connection mode of GraphQL over server-sent events: a client reserves a stream (PUT), connects to it
 * (GET), starts operations whose results it carries (POST), and ends them (DELETE). Each operation has its own token, and
 * the limits of all other requests apply to it.
 * @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#single-connection-mode
 */
export function useEventStreams({
  services,
  schema,
  admission,
}: EventStreamsOptions): Plugin<object, object, RequestContext> {
  const streams = new Map<string, EventStream>();
  /** The size of all results that clients have not read yet, in characters. */
  let waiting = 0;
  let operations: Operations;
  services.stopping.addEventListener('abort', () => {
    for (const stream of [...streams.values()]) stream.end();
  });

  async function reserve(initial: FetchedRequest): Promise<string> {
    const { shareOwner } = await createRequestContext(services, initial);
    if (streams.size >= MAX_STREAMS || services.stopping.aborted) throw busy();
    const leave = shareOwner ? admission.connect(shareOwner) : () => undefined;
    const token = randomUUID();
    const ended = () => {
      streams.delete(token);
      leave();
    };
    const stream = new EventStream(ended, (characters) => {
      waiting += characters;
    });
    streams.set(token, stream);
    const expire = () => {
      if (!stream.isOpen) stream.end();
    };
    setTimeout(expire, RESERVED_MS).unref();
    return token;
  }

  function find(request: Request, url: URL): EventStream {
    const token = request.headers.get('x-graphql-event-stream-token') ?? url.searchParams.get('token') ?? '';
    const stream = streams.get(token);
    if (stream) return stream;
    throw refusal(
      404,
      'NOT_FOUND',
      'There is no such stream. Reserve one with PUT, and connect to it within 10 seconds.',
    );
  }

  async function start(stream: EventStream, initial: FetchedRequest): Promise<void> {
    const { request } = initial;
    const params = await readParams(request, services.config.http.maxBodyBytes);
    const id = params.extensions?.operationId;
    if (typeof id !== 'string' || id === '' || id.length > MAX_ID) {
      throw badInput('extensions.operationId', `operationId must be a string of 1 to ${MAX_ID} characters`);
    }
    if (stream.operations.has(id))
      throw refusal(409, 'CONFLICT', 'The stream carries an operation with this id already');
    if (stream.operations.size >= MAX_OPERATIONS) throw rateLimited(tooManyOperations, 1000);
    const abort = new AbortController();
    stream.operations.set(id, abort);
    run(stream, id, initial, params, abort).catch((err) => services.log.warn({ err }, 'an event stream failed'));
  }

  /** Clients that do not read the results of their operations must not fill the memory. */
  function endSlowest(): void {
    while (waiting > MAX_WAITING) {
      const all = [...streams.values()];
      const slowest = all.reduce((most, each) => (each.waitingCharacters > most.waitingCharacters ? each : most));
      services.log.warn('ended an event stream because its client does not read its results');
      slowest.end();
    }
  }

  /** The request that has started an operation ends at once, so the operation gets one that lasts as long as itself. */
  async function run(
    stream: EventStream,
    id: string,
    { request, req }: FetchedRequest,
    params: Params,
    abort: AbortController,
  ) {
    const { url, headers } = request;
    const createRequest = (signal: AbortSignal) =>
      ({
        request: new Request(url, { method: 'POST', headers: new Headers(headers), signal }),
        req,
      }) as FetchedRequest;
    const send = (payload: object) => {
      const sent = stream.send('next', { id, payload });
      endSlowest();
      return sent;
    };
    try {
      const started = await operations.start({ createRequest }, params, abort);
      const result = 'rootValue' in started ? resultOf(started) : { errors: started };
      if (!isAsyncIterable(result)) await send(result);
      else
        for await (const payload of result) {
          await send(payload);
          // The source may ignore its signal.
          if (abort.signal.aborted) break;
        }
    } finally {
      // Only now can the id be used again: a client would take the last messages for those of its next operation.
      stream.operations.delete(id);
      await stream.send('complete', { id });
    }
  }

  return {
    onYogaInit({ yoga }) {
      operations = createOperations(yoga, services, schema);
    },
    async onRequest({ request, url, serverContext, endResponse, fetchAPI }) {
      if (url.pathname !== endpoint) return;
      const { Response } = fetchAPI;
      const initial = { ...serverContext, request } as FetchedRequest;
      try {
        switch (request.method) {
          case 'PUT':
            return endResponse(new Response(await reserve(initial), { status: 201 }));
          case 'GET': {
            const stream = find(request, url);
            if (stream.isOpen) throw refusal(409, 'CONFLICT', 'A client is connected to this stream already');
            return endResponse(stream.open(fetchAPI));
          }
          case 'POST':
            await start(find(request, url), initial);
            return endResponse(new Response(null, { status: 202 }));
          case 'DELETE': {
            const id = url.searchParams.get('operationId') ?? '';
            find(request, url).operations.get(id)?.abort();
            return endResponse(new Response(null, { status: 200 }));
          }
          default:
            throw refusal(405, 'BAD_USER_INPUT', 'Use PUT, GET, POST or DELETE');
        }
      } catch (error) {
        const refused = toClientError(error, currentRequestId(), currentLog(services.log));
        const status = statusOf(refused);
        endResponse(Response.json({ errors: [withoutHttp(refused)] }, { status }));
      }
    },
  };
}

const tooManyOperations = `A stream can carry ${MAX_OPERATIONS} operations at once. Open another one, or end some.`;

async function readParams(request: Request, maxBodyBytes: number): Promise<Params> {
  if (!/^application\/json\b/i.test(request.headers.get('content-type') ?? '')) {
    throw refusal(415, 'BAD_USER_INPUT', 'The body must be JSON, with the header content-type: application/json');
  }
  // A body that is a little too large is read, because a client that is still sending reads no response.
  const text = await readBody(request, maxBodyBytes);
  if (Buffer.byteLength(text) > MAX_BODY) {
    throw tooMuch(`The request has more than ${MAX_BODY} bytes. Send it to /graphql.`);
  }
  const value = parse(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw refusal(400, 'BAD_USER_INPUT', 'The body must be a JSON object');
}

function parse(text: string): unknown {
  try {
    return parseBody(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw refusal(400, 'BAD_USER_INPUT', 'The body is not JSON');
    throw error;
  }
}

function refusal(status: number, code: AppError['code'], message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status } } });
}

function busy(): AppError {
  return new AppError('SERVER_BUSY', 'The server has too many streams. Try again in a moment.', {
    details: { retryAfterMs: 1000 },
  });
}

function statusOf({ extensions }: GraphQLError): number {
  const { http, code } = extensions;
  if (typeof http === 'object' && http !== null && 'status' in http) return Number(http.status);
  if (code === 'SERVER_BUSY') return 503;
  return code === 'INTERNAL_SERVER_ERROR' ? 500 : 400;
}
