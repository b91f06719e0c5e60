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
  // Every request asks for it, and most servers trust no proxy.
  const said = trustedProxies === 0 ? undefined : hopsOf(headers).at(-trustedProxies);
  return said !== undefined && isIP(said) !== 0 ? said : peer && inOwnForm(peer);
}

/** The addresses that proxies have written, without the port that some of them write. */
function hopsOf(headers: Headers): string[] {
  const hops = (headers.get('x-forwarded-for') ?? '').split(',');
  return hops.map((hop) =>
    inOwnForm(
      hop
        .trim()
        .replace(/^\[(.*)\](:\d+)?$/, '$1')
        .replace(/^([\d.]+):\d+$/, '$1'),
    ),
  );
}

/** An address of IPv4 as it is usually written, also in the form of IPv6. */
function inOwnForm(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
