import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { type Meters, noMeters } from '../telemetry/meters.ts';
import { startBackground } from './background.ts';
import { createServices } from './create-services.ts';
import { openFirstServer } from './first-server.ts';
import type { Product } from './product.ts';
import { openServers } from './servers.ts';
import type { Services } from './services.ts';
import { openSystem } from './system.ts';

/** A running installation; `await using` ends it. */
export interface Installation extends AsyncDisposable {
  readonly services: Services;
  /**
   * Never rejects. Resolves when tenants can be created quickly and tenants whose creation was interrupted are finished or
   * removed; to the reason if it has turned out that no tenant can be created.
   */
  readonly prepared: Promise<string | undefined>;
  /** Begins to stop: the server is no longer ready, and streams end. */
  beginStop(): void;
}

/**
 * Builds everything, in the order in which things need each other. Disposing of it closes them in reverse.
 * @param product what is built on the platform
 * @param signal ends the start: it fails soon then, and what has been started is stopped
 * @param meters count what happens; by default nothing does
 * @throws {ConfigError} if the settings cannot be used
 */
export async function openInstallation(
  config: Config,
  product: Product,
  log: Logger,
  signal?: AbortSignal,
  meters: Meters = noMeters,
): Promise<Installation> {
  await using stack = new AsyncDisposableStack();
  const first = await openFirstServer(config, { log, meters }, stack, signal);
  // Until everything is open, so that the signal ends any wait for PostgreSQL.
  using _cancelling = first.cancelling;
  const system = await openSystem(config, product, { log, meters }, first, stack);
  const servers = await openServers(system, product, stack);
  const stopping = new AbortController();
  const services = await createServices(system, servers, product, stopping.signal, stack);
  const { worker, prepared } = startBackground(system, services, stack);
  const built = stack.move();
  return {
    services,
    prepared,
    beginStop: () => {
      stopping.abort();
      // It stops while requests under way end, and is waited for when the installation is disposed of.
      void worker?.stop();
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await built.disposeAsync();
    },
  };
}
