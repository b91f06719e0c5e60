import { followRun, type RunEvent } from '../src/fleet/events/events.ts';
import type { Services } from '../src/installation/services.ts';

/** The expected result of a run. */
interface Expected {
  readonly succeeded: number;
  readonly skipped?: number;
  /** The number of tenants at once, if not the default. */
  readonly concurrency?: number;
}

/**
 * Starts a run over the fleet and waits for its end. Returns the run's id.
 * @throws {Error} if the result is not as expected
 */
export async function runFleet(
  services: Services,
  { succeeded, skipped = 0, concurrency }: Expected,
  onEvent: (event: RunEvent) => Promise<void> = async () => undefined,
): Promise<string> {
  const { runs, catalog, listener } = services;
  const id = await runs.start({ dryRun: false, continueOnError: true, concurrency, verify: false });
  const end = `${succeeded} succeeded, 0 failed, ${skipped} skipped`;
  for await (const event of followRun(catalog, listener, id)) {
    await onEvent(event);
    const { kind, message } = event;
    if (kind === 'RUN_ENDED' && message !== end)
      throw new Error(`The run should end with "${end}", but it ended with "${message}"`);
  }
  return id;
}
