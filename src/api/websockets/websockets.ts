import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { CloseCode, handleProtocols, makeServer } from 'graphql-ws';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Services } from '../../installation/services.ts';
import { hasTooManyValues } from '../limits/json-values.ts';
import { isWellFormed } from '../malformed-requests.ts';
import { createOperations, type Params, resultOf } from '../operations.ts';
import type { GraphqlServer } from '../server.ts';
import type { Admission } from '../shares/admission.ts';
import { Connection, closeCode } from './connection.ts';
import { UnidentifiedClients } from './unidentified-clients.ts';

/** How long a client may take to identify itself, in milliseconds. */
const INIT_MS = 10_000;
/** The interval at which clients must answer a ping, in milliseconds. */
const PING_MS = 30_000;
/** The maximum size of a message, in bytes. Larger operations are sent as HTTP requests. */
const MAX_MESSAGE_BYTES = 128 * 1024;
/** The maximum number of pieces that a message is sent in, and of pieces that it arrives in: each costs memory of its own. */
const MAX_PIECES = { maxFragments: 256, maxBufferedChunks: 4096 };
/** The maximum number of connections of all clients together. */
const MAX_CONNECTIONS = 5_000;
/** The maximum number of concurrent operations of a connection. */
const MAX_OPERATIONS = 100;
/** The maximum length of an operation's id, in characters. Clients use UUIDs or numbers. */
const MAX_ID = 200;
/** How long a client may take to close its side of a connection, in milliseconds. */
const CLOSE_MS = 2_000;

/** The WebSockets of a server. */
export interface WebSockets {
  /** Handles an HTTP request that asks for a WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Accepts no new connections and closes the existing ones. Their clients connect again, to another process. */
  stop(): void;
}

/** What the WebSockets of a server need. */
export interface WebSocketsOptions {
  readonly server: GraphqlServer;
  readonly services: Services;
  readonly schema: GraphQLSchema;
  readonly admission: Admission;
}

/**
 * Serves GraphQL over WebSockets, at the same path as over HTTP.
 * @see https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export function createWebSockets({ server, services, schema, admission }: WebSocketsOptions): WebSockets {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    ...MAX_PIECES,
    handleProtocols,
  });
  const unidentified = new UnidentifiedClients(services.config.http.trustedProxies);
  const operations = createOperations(server, services, schema);
  const protocol = makeServer<Record<string, unknown>, Connection>({
    connectionInitWaitTimeout: INIT_MS,
    onConnect: ({ connectionParams, extra }) => extra.accept(connectionParams, admission),
    async onSubscribe({ extra }, id, payload) {
      if (id.length > MAX_ID) return [idTooLong()];
      if (extra.operations.size >= MAX_OPERATIONS) return [tooManyOperations()];
      const abort = new AbortController();
      extra.operations.set(id, abort);
      // Yoga checks the types of the members that it knows and ignores the others.
      return operations.start(extra, payload as Params, abort);
    },
    execute: resultOf,
    subscribe: resultOf,
    onError: ({ extra }, id) => void extra.operations.delete(id),
    onComplete: ({ extra }, id) => void extra.operations.delete(id),
  });
  const pings = setInterval(() => pingAll(sockets.clients), PING_MS).unref();
  const open = (socket: WebSocket, request: IncomingMessage, identified: () => void) => {
    const connection = new Connection(socket, request, services, identified);
    const fail = (err: unknown) => {
      services.log.warn({ err }, 'a WebSocket failed');
      socket.terminate();
    };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => send(socket, text),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data: RawData) => {
            const text = String(data);
            if (hasTooManyValues(text)) return socket.close(CloseCode.BadRequest, 'The message has too many values');
            connection.cancelCompleted(text);
            handle(text).catch(fail);
          }),
      },
      connection,
    );
    socket.on('error', (err) => services.log.debug({ err }, 'a WebSocket failed'));
    socket.once('close', (code, reason) => {
      connection.end();
      Promise.resolve(closed(code, String(reason))).catch(fail);
    });
  };
  return {
    upgrade(request, socket, head) {
      if (!isWellFormed(request)) return refuse(socket, '400 Bad Request');
      if (pathOf(request) !== '/graphql') return refuse(socket, '404 Not Found');
      const identified = sockets.clients.size < MAX_CONNECTIONS ? unidentified.add(request) : undefined;
      if (!identified) return refuse(socket, '503 Service Unavailable');
      socket.once('close', identified);
      sockets.handleUpgrade(request, socket, head, (client) => open(client, request, identified));
    },
    stop() {
      clearInterval(pings);
      sockets.close();
      for (const socket of sockets.clients) {
        socket.close(closeCode.goingAway, 'The server is stopping');
        setTimeout(() => socket.terminate(), CLOSE_MS).unref();
      }
    },
  };
}

/** Resolves when the text has left this process, so that events wait for slow clients. */
function send(socket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve) => {
    // The events of a closed connection are of no use to anybody.
    if (socket.readyState === socket.OPEN) socket.send(text, () => resolve());
    else resolve();
  });
}

/** Clients that have not answered the last ping. */
const silent = new WeakSet<WebSocket>();

/** Ends the connections of clients that are gone without closing them. */
function pingAll(sockets: Iterable<WebSocket>): void {
  for (const socket of sockets) {
    if (silent.has(socket)) socket.terminate();
    silent.add(socket);
    socket.once('pong', () => silent.delete(socket));
    socket.ping();
  }
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

function idTooLong(): GraphQLError {
  return new GraphQLError(`The id of an operation has more than ${MAX_ID} characters. Use a shorter one.`, {
    extensions: { code: 'BAD_USER_INPUT' },
  });
}

function tooManyOperations(): GraphQLError {
  return new GraphQLError(
    `A connection can carry ${MAX_OPERATIONS} operations at once. Open another one, or end some.`,
    {
      extensions: { code: 'RATE_LIMITED', retryAfterMs: 1000 },
    },
  );
}
