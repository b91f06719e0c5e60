import { isIP } from 'node:net';

/**
 * The address that a request came from. Proxies in front of the server append to `x-forwarded-for` whom they were asked by;
 * what stands before that is what the client says of itself, and anybody may say anything. A request that did not come through
 * all of them came from the other end of its connection.
 * @param peer the other end of the connection
 * @param trustedProxies how many proxies of ours there are in front of the server
 * @returns undefined if it is not known
 */
export function clientAddress(headers: Headers, peer: string | undefined, trustedProxies: number): string | undefined {
  const hops = (headers.get('x-forwarded-for') ?? '').split(',').map((hop) => plain(hop.trim()));
  const said = trustedProxies === 0 ? undefined : hops.at(-trustedProxies);
  return said !== undefined && isIP(said) !== 0 ? said : peer && plain(peer);
}

/** An address without the port that some proxies write, and one of IPv4 as it is usually written, also in the form of IPv6. */
function plain(address: string): string {
  return address
    .replace(/^\[(.*)\](:\d+)?$/, '$1')
    .replace(/^([\d.]+):\d+$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/i, '');
}
