import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../lib/errors.ts';
import { WakeUp } from '../lib/retry-loop.ts';
import type { Listener } from './listener.ts';
import { isConnectionFailure } from './sql/error-codes.ts';

/** Readers poll at this interval even without a notification, in milliseconds. */
const POLL_MS = 1_000;

/** The number of events that are read at once. */
export const EVENT_PAGE = 1_000;

/** A page of the events of something. */
export interface EventPage<Event> {
  readonly events: readonly Event[];
  /** Whether there is no event after the page, because what they are about has ended. */
  readonly ended: boolean;
}

/** The events to follow. */
export interface FollowedEvents<Event> {
  readonly listener: Pick<Listener, 'on'>;
  /** The channel on which writers notify readers, with the id as the payload. */
  readonly channel: string;
  /** What the events are about. */
  readonly id: string;
  /** Reads up to {@link EVENT_PAGE} events after a sequence number. */
  readonly read: (after: number) => Promise<EventPage<Event>>;
}

/**
 * Yields pages of events: first the stored ones, then each new one, until what they are about ends or the signal is aborted. It
 * holds no connection while it waits. While the database cannot be reached, it waits too.
 * @param after the sequence number of the last event that the caller knows
 */
export async function* followEvents<Event extends { readonly seq: number }>(
  { listener, channel, id, read }: FollowedEvents<Event>,
  after: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly Event[], void, undefined> {
  const wakeUp = new WakeUp();
  const unsubscribe = listener.on(channel, (payload) => {
    if (payload === undefined || payload === id) wakeUp.call();
  });
  const stop = () => wakeUp.call();
  signal?.addEventListener('abort', stop);
  // Who begins to follow learns at once that it is not possible.
  let isKnown = false;
  try {
    for (let seen = after; !signal?.aborted; ) {
      const { events, ended } = await (isKnown ? readWhenReachable(() => read(seen), signal) : read(seen));
      isKnown = true;
      if (events.length > 0) yield events;
      seen = events.at(-1)?.seq ?? seen;
      if (events.length === EVENT_PAGE) continue;
      if (ended) return;
      await wakeUp.wait(POLL_MS);
      wakeUp.reset();
    }
  } finally {
    unsubscribe();
    signal?.removeEventListener('abort', stop);
  }
}

/**
 * Repeats `read` while the database cannot be reached. Followers lose nothing meanwhile: they read what is stored when PostgreSQL is
 * back, perhaps on another host.
 * @param signal ends the wait; the error is thrown then
 */
export async function readWhenReachable<T>(read: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      const isBusy = error instanceof AppError && error.code === 'SERVER_BUSY';
      if (signal?.aborted || (!isBusy && !isConnectionFailure(error))) throw error;
    }
    await sleep(POLL_MS, undefined, signal && { signal });
  }
}
