import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Services } from '../../installation/services.ts';
import { AppError } from '../../lib/errors.ts';
import { createRequestContext } from '../request-context.ts';
import { handleRequest } from '../request-log.ts';
import type { Admission } from '../shares/admission.ts';

/** The parameters that a client may set when it connects, because browsers cannot set headers of a WebSocket. */
const parameters = ['authorization', 'x-tenant'] as const;

/** The longest delay of a Node timer, about 25 days, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;
/** How long before its token expires a connection is closed, so that its subscriptions continue on the next one. */
const EARLY_MS = 1_000;
/** The maximum length of a reason in the WebSocket protocol, in bytes. https://www.rfc-editor.org/rfc/rfc6455#section-5.5 */
const MAX_REASON_BYTES = 123;
/** The maximum length of a message that completes an operation, in characters; ids have a limit of their own. */
const MAX_COMPLETE = 1_000;

/** The status codes with which connections are closed. Clients such as graphql-ws connect again after each of them. */
export const closeCode = {
  /** The server stops. */
  goingAway: 1001,
  /** The server cannot accept the connection now. */
  tryAgainLater: 1013,
  /** The token is invalid or has expired. */
  forbidden: 4403,
} as const;

/** A client's connection, which carries any number of operations. */
export class Connection {
  /** What cancels each operation under way, by its id. */
  readonly operations = new Map<string, AbortController>();
  readonly #socket: WebSocket;
  readonly #upgrade: IncomingMessage;
  readonly #services: Services;
  readonly #identified: () => void;
  #headers: Headers;
  #leave: (() => void) | undefined;
  #expiry: NodeJS.Timeout | undefined;

  /**
   * @param upgrade the HTTP request that opened it
   * @param identified called when the connection has been accepted or refused
   */
  constructor(socket: WebSocket, upgrade: IncomingMessage, services: Services, identified: () => void) {
    this.#socket = socket;
    this.#upgrade = upgrade;
    this.#services = services;
    this.#identified = identified;
    this.#headers = headersOf(upgrade);
  }

  /**
   * Identifies the caller with the parameters of the client's first message, otherwise with the headers.
   * @returns whether the connection is accepted; otherwise it has been closed with the reason
   */
  async accept(given: Readonly<Record<string, unknown>> | undefined, admission: Admission): Promise<boolean> {
    this.#headers = withParameters(this.#headers, given);
    try {
      const { identity, shareOwner } = await handleRequest(this.#services, {}, () =>
        createRequestContext(this.#services, this.createRequest(new AbortController().signal)),
      );
      this.#identified();
      if (shareOwner) this.#leave = admission.connect(shareOwner);
      if (identity?.expiresAt) this.#closeAt(identity.expiresAt);
      // The client may have left in the meantime.
      if (this.#socket.readyState === this.#socket.OPEN) return true;
    } catch (error) {
      const isRefusal = error instanceof AppError && error.code === 'UNAUTHENTICATED';
      if (!(error instanceof AppError)) this.#services.log.error({ err: error }, 'cannot accept a WebSocket');
      const reason = error instanceof AppError ? error.message : 'Something went wrong on our side';
      this.close(isRefusal ? closeCode.forbidden : closeCode.tryAgainLater, reason);
    }
    this.end();
    return false;
  }

  /** Cancels an operation if this is the message that completes it; graphql-ws waits for its result before it does. */
  cancelCompleted(message: string): void {
    if (message.length > MAX_COMPLETE || !message.includes('"complete"')) return;
    const { type, id } = membersOf(message);
    if (type === 'complete' && typeof id === 'string') this.operations.get(id)?.abort();
  }

  /** Creates the request that an operation of this connection is handled as. */
  createRequest(signal: AbortSignal) {
    const host = this.#headers.get('host') ?? 'localhost';
    const request = new Request(`http://${host}/graphql`, { method: 'POST', headers: this.#headers, signal });
    return { request, req: this.#upgrade };
  }

  /** Closes the connection with a reason, which is shortened to what the protocol allows. */
  close(code: number, reason: string): void {
    const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(MAX_REASON_BYTES));
    this.#socket.close(code, reason.slice(0, read));
  }

  /** Cancels the operations under way. Must be called once the connection is closed. */
  end(): void {
    this.#identified();
    clearTimeout(this.#expiry);
    this.#leave?.();
    this.#leave = undefined;
    for (const operation of this.operations.values()) operation.abort();
    this.operations.clear();
  }

  #closeAt(expiresAt: Date): void {
    const leftMs = Math.max(expiresAt.getTime() - Date.now() - EARLY_MS, 0);
    const close = () => this.close(closeCode.forbidden, 'The token expires. Connect again with a new one.');
    this.#expiry = setTimeout(close, Math.min(leftMs, LONGEST_MS));
  }
}

/** Returns the members of a message; none if it is not a JSON object, which graphql-ws refuses later. */
function membersOf(message: string): { readonly type?: unknown; readonly id?: unknown } {
  try {
    const value: unknown = JSON.parse(message);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function headersOf({ headers }: IncomingMessage): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    // These describe the WebSocket and not its operations.
    if (value !== undefined && !/^(connection|upgrade|sec-websocket-.*)$/.test(name)) all.set(name, String(value));
  }
  return all;
}

/** Parameters take precedence. Their names are case-insensitive, as those of headers. */
function withParameters(headers: Headers, given: Readonly<Record<string, unknown>> | undefined): Headers {
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(given ?? {})) {
    const header = parameters.find((known) => known === name.toLowerCase());
    // A value that is not a valid header is not a valid token or tenant either.
    if (header && typeof value === 'string' && /^[\x20-\x7e]*$/.test(value)) all.set(header, value);
  }
  return all;
}
