import type { IncomingMessage } from 'node:http';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Services } from '../../installation/services.ts';
import { networkOf } from '../../lib/client-network.ts';
import { OperationScope } from '../../routing/operation-scope.ts';
import { servable } from '../../routing/resolve-tenant.ts';
import { currentRequest } from '../../telemetry/request-record.ts';
import { clientAddress } from '../client-address.ts';
import type { Admission } from '../shares/admission.ts';

/** What an operation on a tenant's database costs, in the unit of GraphQL operations. */
const COST = 10;

/** A request outside of GraphQL, and what it uses. */
export interface TenantUse {
  readonly services: Services;
  readonly admission: Admission;
  readonly incoming: IncomingMessage;
  readonly gone: AbortSignal;
}

/**
 * Runs work in a tenant's database as an operation of the tenant: with its share, its connections and their limits.
 * @param id the tenant's id
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_SUSPENDED, TENANT_BUSY, RATE_LIMITED or SERVER_BUSY
 */
export async function useTenant<T>(
  { services, admission, incoming, gone }: TenantUse,
  id: string,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  const tenant = servable(await services.directory.byReference(id), id);
  const record = currentRequest();
  if (record) record.tenant = tenant;
  const headers = { get: (name: string) => incoming.headers[name]?.toString() ?? null };
  const address = clientAddress(headers, incoming.socket.remoteAddress, services.config.http.trustedProxies);
  const owner = { tenant: tenant.id, caller: networkOf(address ?? '') };
  const admitted = await admission.enter(owner, COST, gone);
  const scope = new OperationScope(admitted);
  const lease = services.tenants.lease(tenant);
  try {
    return await scope.run(() => work(lease.em));
  } finally {
    await lease.release();
    scope.end();
    scope.whenReleased(() => admitted.leave());
  }
}
