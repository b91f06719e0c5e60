import { followRun, type RunEvent } from '../src/fleet/events/events.ts';
import type { Services } from '../src/installation/services.ts';

/** What a run is to come to. */
interface Expected {
  readonly succeeded: number;
  readonly skipped?: number;
  /** Tenants at once; without it the default. */
  readonly concurrency?: number;
}

/**
 * Runs migrations over the fleet, from the call to the run's end; gives the run's id.
 * @throws {Error} if it comes to anything else
 */
export async function runFleet(
  services: Services,
  { succeeded, skipped = 0, concurrency }: Expected,
  onEvent: (event: RunEvent) => Promise<void> = async () => undefined,
): Promise<string> {
  const { runs, catalog, listener } = services;
  const id = await runs.start({ dryRun: false, continueOnError: true, concurrency, verify: false });
  const end = `${succeeded} succeeded, 0 failed and rolled back, ${skipped} skipped`;
  for await (const event of followRun(catalog, listener, id)) {
    await onEvent(event);
    const { kind, message } = event;
    if (kind === 'RUN_ENDED' && message !== end) throw new Error(`The run was to end with ${end}, but: ${message}`);
  }
  return id;
}
