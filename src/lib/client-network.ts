import ipaddr from 'ipaddr.js';

const IPV6_NETWORK_BITS = 64;

/**
 * The network that counts as one client: an address of IPv4, or the /64 of an address of IPv6, since whoever has one address
 * of it has them all. A text that is no address is returned as it is.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${withoutZone(parsed.toString())}/${IPV6_NETWORK_BITS}`);
  return `${network.toString()}/${IPV6_NETWORK_BITS}`;
}

/** A zone names a network interface of this machine, such as fe80::1%eth0. */
function withoutZone(address: string): string {
  return address.split('%')[0] ?? address;
}
