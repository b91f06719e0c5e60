import type { IncomingMessage } from 'node:http';
import { networkOf } from '../../lib/client-network.ts';
import { clientAddress } from '../client-address.ts';

/** The maximum number of connections from one network of clients that have not identified themselves yet. */
const MAX_PER_NETWORK = 50;

/** Counts connections until their clients have identified themselves, because only then their callers are limited. */
export class UnidentifiedClients {
  readonly #trustedProxies: number;
  readonly #counts = new Map<string, number>();

  constructor(trustedProxies: number) {
    this.#trustedProxies = trustedProxies;
  }

  /**
   * Counts a connection.
   * @returns a function to call when the client has identified itself or left; undefined if its network has too many
   */
  add({ headers, socket }: IncomingMessage): (() => void) | undefined {
    const forwarded = new Headers({ 'x-forwarded-for': String(headers['x-forwarded-for'] ?? '') });
    const network = networkOf(clientAddress(forwarded, socket.remoteAddress, this.#trustedProxies) ?? '');
    const count = this.#counts.get(network) ?? 0;
    if (count >= MAX_PER_NETWORK) return undefined;
    this.#counts.set(network, count + 1);
    let isCounted = true;
    return () => {
      if (isCounted) this.#remove(network);
      isCounted = false;
    };
  }

  #remove(network: string): void {
    const left = (this.#counts.get(network) ?? 1) - 1;
    if (left > 0) this.#counts.set(network, left);
    else this.#counts.delete(network);
  }
}
