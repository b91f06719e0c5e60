import { type IncomingMessage, type RequestOptions, request as requestByHttp } from 'node:http';
import { request as requestByHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Webhook as Signer } from 'standardwebhooks';
import { messageOf } from '../lib/errors.ts';
import { productVersion } from '../lib/version.ts';
import { type HostAddress, resolveHost } from './addresses.ts';

/** A request to send. */
export interface WebhookRequest {
  readonly url: string;
  /** The secret that signs it. */
  readonly secret: string;
  readonly eventId: string;
  readonly payload: string;
}

/** The result of an attempt. */
export interface SendResult {
  /** The HTTP status; null if there was no response. */
  readonly statusCode: number | null;
  /** Why it failed; null if the receiver has accepted the event. */
  readonly error: string | null;
}

/** How long an attempt may take, in milliseconds. */
export const SEND_MS = 10_000;
/** How much of a response is read, in bytes. */
const MAX_RESPONSE_BYTES = 64 * 1024;
const MAX_ERROR = 500;

/**
 * Signs an event and sends it. Redirects are not followed.
 * @param allowPrivate whether the receiver may be in a private network
 * @param signal ends the attempt
 * @see https://www.standardwebhooks.com
 */
export async function sendWebhook(
  request: WebhookRequest,
  allowPrivate: boolean,
  signal: AbortSignal,
): Promise<SendResult> {
  const timeout = AbortSignal.timeout(SEND_MS);
  try {
    return resultOf(await post(request, allowPrivate, AbortSignal.any([timeout, signal])));
  } catch (error) {
    const message = timeout.aborted ? `There was no response within ${SEND_MS / 1000} s` : messageOf(error);
    return { statusCode: null, error: message.slice(0, MAX_ERROR) };
  }
}

function resultOf(statusCode: number): SendResult {
  if (statusCode >= 200 && statusCode < 300) return { statusCode, error: null };
  const redirected = statusCode >= 300 && statusCode < 400 ? ', and redirects are not followed' : '';
  return { statusCode, error: `The receiver answered with the status ${statusCode}${redirected}` };
}

async function post(
  { url: text, secret, eventId, payload }: WebhookRequest,
  allowPrivate: boolean,
  signal: AbortSignal,
): Promise<number> {
  const url = new URL(text);
  const addresses = await unlessAborted(resolveHost(url, allowPrivate), signal);
  // Its webhook was created while private networks were allowed.
  if (url.protocol !== 'https:' && !allowPrivate) {
    throw new Error('Without WEBHOOK_PRIVATE_NETWORKS=true, the URL of a webhook must begin with https://');
  }
  const now = new Date();
  const options: RequestOptions = {
    method: 'POST',
    // No connection is kept, so each attempt checks the address that it connects to.
    agent: false,
    lookup: lookupOf(addresses),
    signal,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(payload),
      'user-agent': `Tenantry/${productVersion}`,
      'webhook-id': eventId,
      'webhook-timestamp': Math.floor(now.getTime() / 1000),
      'webhook-signature': new Signer(secret).sign(eventId, now, payload),
    },
  };
  const send = url.protocol === 'https:' ? requestByHttps : requestByHttp;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = send(url, options, resolve).on('error', reject);
    // Node closes the connection without an error when a receiver switches to another protocol.
    sent.on('close', () => reject(new Error('The receiver closed the connection without a response')));
    sent.end(payload);
  });
  await readSome(response);
  return response.statusCode ?? 0;
}

/** Resolving a host cannot be cancelled, so its result is ignored after the signal. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, aborted]);
}

/** Node does not call it for a host that is an address. */
function lookupOf(addresses: readonly HostAddress[]): LookupFunction {
  return (host, { all }, callback) => {
    const [first] = addresses;
    if (!first) callback(new Error(`The host ${host} has no address`), '');
    else if (all) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

/** Some receivers stop working when their client leaves, so a response is read to its end if that is near. */
async function readSome(response: IncomingMessage): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of response) {
      size += Buffer.byteLength(chunk);
      if (size > MAX_RESPONSE_BYTES) break;
    }
  } catch {
    // The status has arrived, and nothing else counts.
  }
}
