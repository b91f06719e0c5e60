import { lookup } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';

/** An address of a host, as `dns.lookup` returns it. */
export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

/** A host that webhooks may not reach. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';

  constructor(host: string, address: string) {
    const found =
      host === address ? `The address ${address} is` : `The host ${host} has the address ${address}, which is`;
    super(`${found} not public. To allow webhooks to private networks, set WEBHOOK_PRIVATE_NETWORKS=true.`);
  }
}

/**
 * Resolves the host of a URL. The caller must connect to one of these addresses: the host may resolve to others a moment
 * later.
 * @param allowPrivate whether addresses may be of a private network, or of this machine
 * @throws {PrivateAddressError} if one of the addresses is not public
 * @throws {Error} if the host cannot be resolved
 */
export async function resolveHost({ hostname }: URL, allowPrivate: boolean): Promise<readonly HostAddress[]> {
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const addresses = await lookup(host, { all: true });
  const hidden = allowPrivate ? undefined : addresses.find(({ address }) => !isPublic(address));
  if (hidden) throw new PrivateAddressError(host, hidden.address);
  return addresses;
}

/**
 * Whether an address belongs to the public Internet. Addresses that stand for another one, such as those of NAT64, do not
 * count as public.
 */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast)) return false;
  return parsed.range() === 'unicast';
}

/**
 * The only addresses of IPv6 that the Internet routes. The library counts all that it does not know as unicast, such as `::7f00:1`,
 * which stands for 127.0.0.1, and `200::/7`, which some private networks use.
 * @see https://www.iana.org/assignments/ipv6-address-space
 */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');
