import type { ServerRow } from '../../catalog/server-queries.ts';
import { type PoolerAddress, parsePoolerUrl } from '../../config/server-address.ts';
import type { Encryption } from '../../lib/encryption.ts';

/** Encrypts the URL of a server's pooler for the catalog. */
export function encryptPoolerUrl(encryption: Encryption, server: string, url: string): string {
  return encryption.encrypt(url, ownerOf(server));
}

/**
 * Returns the pooler of a server in the catalog; undefined if it has none. One that cannot be decrypted was stored with another
 * ROLE_SECRET, and so was the URL of its server.
 */
export function decryptPooler(
  encryption: Encryption,
  { name, poolerUrl }: Pick<ServerRow, 'name' | 'poolerUrl'>,
): PoolerAddress | undefined {
  const url = poolerUrl === null ? undefined : encryption.decrypt(poolerUrl, ownerOf(name));
  return url === undefined ? undefined : parsePoolerUrl(url);
}

/** No server has this name. */
function ownerOf(server: string): string {
  return `pooler of ${server}`;
}
