import type { ServerRow } from '../../catalog/server-queries.ts';
import {
  type PoolerAddress,
  type ServerAddress,
  storedPoolerAddress,
  storedServerAddress,
} from '../../config/server-address.ts';
import type { Encryption } from '../../lib/encryption.ts';
import { AppError } from '../../lib/errors.ts';

/**
 * Returns the address of a server in the catalog; undefined if its URL cannot be decrypted, because it was stored with another
 * ROLE_SECRET.
 */
export function decryptServer(
  encryption: Encryption,
  { name, url }: Pick<ServerRow, 'name' | 'url'>,
): ServerAddress | undefined {
  const opened = url === null ? undefined : encryption.decrypt(url, name);
  return opened === undefined ? undefined : storedServerAddress(opened);
}

/** Creates the error for a server whose URL {@link decryptServer} does not return. */
export function undecryptable(server: string): AppError {
  return new AppError(
    'CONFLICT',
    `The URL of the server ${server} cannot be decrypted, because it was stored with another ROLE_SECRET. Store it again: tenantry server add ${server} URL`,
  );
}

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
  return url === undefined ? undefined : storedPoolerAddress(url);
}

/** No server has this name. */
function ownerOf(server: string): string {
  return `pooler of ${server}`;
}
