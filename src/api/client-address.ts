import { isIP } from 'node:net';
import type { HeaderReader } from './request-log.ts';

/**
 * The address of the client. Proxies in front of the server append the address of their peer to `x-forwarded-for`;
 * earlier entries are set by the client and cannot be trusted. If the header has fewer entries than there are trusted
 * proxies, the address is that of the connection's peer.
 * @param peer the address of the connection's peer
 * @param trustedProxies the number of our own proxies in front of the server
 * @returns undefined if the address is unknown
 */
export function clientAddress(
  headers: HeaderReader,
  peer: string | undefined,
  trustedProxies: number,
): string | undefined {
  // A fast path: this runs for every request, and most servers trust no proxy.
  const forwarded = trustedProxies === 0 ? undefined : hopsOf(headers).at(-trustedProxies);
  return forwarded !== undefined && isIP(forwarded) !== 0 ? forwarded : peer && withoutIpv6Prefix(peer);
}

/** The addresses in `x-forwarded-for`, without the port that some proxies append. */
function hopsOf(headers: HeaderReader): string[] {
  const hops = (headers.get('x-forwarded-for') ?? '').split(',');
  return hops.map((hop) =>
    withoutIpv6Prefix(
      hop
        .trim()
        .replace(/^\[(.*)\](:\d+)?$/, '$1')
        .replace(/^([\d.]+):\d+$/, '$1'),
    ),
  );
}

/** Writes an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) as a plain IPv4 address. */
function withoutIpv6Prefix(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
