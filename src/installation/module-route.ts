import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Logger } from 'pino';
import type { ModuleServices } from './module-services.ts';

/** One HTTP request to a route of a module. */
export interface RouteRequest {
  /** The request. Its body is not read yet, and no limit applies to its size. */
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** The path after the route's prefix, without a query. */
  readonly rest: string;
  readonly services: ModuleServices;
  readonly log: Logger;
  /** Aborted when the client disconnects before the response is complete. */
  readonly gone: AbortSignal;
  /**
   * Runs work in a tenant's database, as an operation of the tenant with its share and its limits. The connection is free
   * again when the work has ended, so bytes are not transferred inside of it.
   * @param tenant the tenant's id, which the route must have verified
   * @throws {AppError} TENANT_NOT_FOUND, TENANT_SUSPENDED, TENANT_BUSY, RATE_LIMITED or SERVER_BUSY
   */
  inTenant<T>(tenant: string, work: (em: EntityManager) => Promise<T>): Promise<T>;
  /**
   * Must be called before a body is transferred that the process does not keep in memory. The usual limits for slow clients
   * do not apply from then on: the connection is closed when nothing arrives or leaves for a while, and after `limitMs`.
   */
  stream(limitMs: number): void;
}

/** Handles the HTTP requests to paths with one prefix. */
export interface ModuleRoute {
  /** Such as `/files/`. */
  readonly prefix: `/${string}/`;
  /** The methods that it accepts, besides OPTIONS. */
  readonly methods: readonly string[];
  /** Responds to a request. What it throws becomes the response, as for a field of the API. */
  handle(request: RouteRequest): Promise<void>;
}
