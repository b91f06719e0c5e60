import pg from 'pg';
import { derivePasswords } from '../src/postgres/admin/roles.ts';
import type { BenchInstallation } from './installation.ts';
import type { PeerTenant } from './peers-seed.ts';

const AT_ONCE = 32;

/**
 * Opens and closes connections as the tenants' roles, in turn. Returns how many per second.
 * @returns a function of the duration in milliseconds
 */
export function connectInTurn(
  { env }: BenchInstallation,
  tenants: readonly PeerTenant[],
): (ms: number) => Promise<number> {
  const passwordOf = derivePasswords(env.ROLE_SECRET ?? '');
  let next = 0;
  return async (ms) => {
    const start = performance.now();
    let connected = 0;
    const work = async () => {
      while (performance.now() - start < ms) {
        const { databaseUrl, role } = tenants[next++ % tenants.length] ?? { databaseUrl: '', role: '' };
        const url = Object.assign(new URL(databaseUrl), { username: role, password: passwordOf(role) });
        const client = new pg.Client(url.href);
        await client.connect();
        await client.end();
        connected += 1;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return connected / ((performance.now() - start) / 1000);
  };
}
