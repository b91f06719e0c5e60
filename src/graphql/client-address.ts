import { isIP } from 'node:net';

/**
 * The address that a request came from. Proxies in front of the server append to `x-forwarded-for` whom they were asked by;
 * what stands before that is what the client says of itself, and anybody may say anything.
 * @param peer the other end of the connection
 * @param trustedProxies how many proxies of ours there are in front of the server
 * @returns undefined if it is not known
 */
export function clientAddress(headers: Headers, peer: string | undefined, trustedProxies: number): string | undefined {
  if (trustedProxies === 0) return peer && plain(peer);
  const hops = (headers.get('x-forwarded-for') ?? '').split(',').map((hop) => hop.trim());
  const address = plain(hops.at(-trustedProxies) ?? '');
  return isIP(address) === 0 ? undefined : address;
}

/** An address of IPv4 as it is usually written, also where the connection is one of IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
