import { codesOf, type SoakRecord } from './soak-record.ts';

/** One request of a soak. */
export interface SoakRequest {
  readonly kind: string;
  /** A document; malformed requests have a `body` instead. */
  readonly query?: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly body?: string;
  readonly token?: string | undefined;
  /** The client's address, as reported by the proxy in front of the server. */
  readonly address: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The tenant whose rows the answer may contain. */
  readonly tenant?: string;
  /** The allowed codes; by default only `OK`. */
  readonly allowed?: readonly string[];
  /** The client disconnects after this time, in milliseconds. */
  readonly giveUpMs?: number;
}

/** The answer to a request. */
export interface SoakAnswer {
  readonly ok: boolean;
  readonly codes: readonly string[];
  readonly text: string;
}

/** Sends a request and records the answer. Never rejects. */
export type Send = (request: SoakRequest) => Promise<SoakAnswer>;

/** The time limit of a request, in milliseconds. */
const PATIENCE_MS = 60_000;

/** Returns a function that sends requests to a server. */
export function prepareSend(url: string, record: SoakRecord): Send {
  return async ({ kind, query, variables, body, token, address, headers, tenant, allowed = ['OK'], giveUpMs }) => {
    const start = performance.now();
    let codes: readonly string[];
    let text = '';
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-forwarded-for': address,
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...headers,
        },
        body: body ?? JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(giveUpMs ?? PATIENCE_MS),
      });
      text = await response.text();
      codes = codesOf(text);
    } catch (error) {
      text = error instanceof Error ? `${error.message}: ${String(error.cause ?? '')}` : String(error);
      codes = [giveUpMs === undefined ? 'CLOSED' : 'GIVEN_UP'];
    }
    const accepted = giveUpMs === undefined ? allowed : [...allowed, 'GIVEN_UP'];
    record.add({ kind, codes, allowed: accepted, latencyMs: performance.now() - start, text, tenant });
    return { ok: codes.join() === 'OK', codes, text };
  };
}
