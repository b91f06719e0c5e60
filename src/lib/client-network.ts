import ipaddr from 'ipaddr.js';

const IPV6_NETWORK_BITS = 64;

/**
 * Returns the network that counts as one client: an IPv4 address, or the /64 of an IPv6 address, because a client usually
 * controls a whole /64. Returns anything that is not an address unchanged.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${withoutZone(parsed.toString())}/${IPV6_NETWORK_BITS}`);
  return `${network.toString()}/${IPV6_NETWORK_BITS}`;
}

/** A zone names a network interface of this machine, such as `eth0` in fe80::1%eth0. */
function withoutZone(address: string): string {
  return address.split('%')[0] ?? address;
}
