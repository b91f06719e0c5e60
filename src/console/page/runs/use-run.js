import { ApiContext } from '../api/context.js';
import { isTemporary, problemOf } from '../api/problem.js';
import { useQuery } from '../api/use-query.js';
import { hiddenSignal, whenVisible } from '../parts/visible.js';
import { useContext, useEffect, useState } from '../vendor/hooks.js';

/** @import { Problem } from '../api/problem.js' */
/** @import { RunDetails, RunEvent } from '../types.d.ts' */

/** How many of the newest events are shown. */
const MAX_EVENTS = 200;
/** How often the page shows what has happened, in milliseconds. */
const FRAME_MS = 300;
/** How often numbers that the events do not have are asked for, in milliseconds. */
const RELOAD_MS = 1_500;
/** The same without events, because somebody may resume the run. */
const IDLE_RELOAD_MS = 10_000;
/** How long to wait before following a run again, in milliseconds. */
const RETRY_MS = 2_000;

/** @param {RunDetails} run */
export function isActive({ status }) {
  return status === 'PENDING' || status === 'RUNNING';
}

/**
 * A run, kept current until it ends, with its newest events.
 * @param {string} id
 */
export function useRun(id) {
  const { data, problem, isLoading, reload } = useQuery('run', { id }, { every: IDLE_RELOAD_MS });
  const run = data?.migrationRun;
  // While another answer is on its way, the last one stays.
  const [last, setLast] = useState(/** @type {RunDetails | null | undefined} */ (undefined));
  useEffect(() => {
    if (run !== undefined) setLast(run);
  }, [run]);
  const active = last ? isActive(last) : false;
  const { events, problem: lost } = useEvents(id, last?.lastSeq, active, reload);
  return { run: last, events, problem: problem ?? lost, isLoading: isLoading && !last, reload };
}

/**
 * Follows a run while it goes, from a bit before what has happened already.
 * @param {string} id
 * @param {number | undefined} lastSeq
 * @param {boolean} active
 * @param {() => void} reload
 */
function useEvents(id, lastSeq, active, reload) {
  const api = useContext(ApiContext);
  const [events, setEvents] = useState(/** @type {readonly RunEvent[]} */ ([]));
  const [problem, setProblem] = useState(/** @type {Problem | undefined} */ (undefined));
  const isKnown = lastSeq !== undefined;
  useEffect(() => {
    if (!isKnown) return;
    const abort = new AbortController();
    /** @type {RunEvent[]} */
    let newest = [];
    let seq = Math.max(0, lastSeq - MAX_EVENTS);
    const show = throttled(FRAME_MS, abort.signal, () => setEvents(newest));
    const reloadSoon = throttled(RELOAD_MS, abort.signal, reload);
    const follow = async (/** @type {AbortSignal} */ signal) => {
      for await (const { migrationProgress: event } of api.subscribe(
        'runProgress',
        { run: id, after: seq },
        signal,
        () => setProblem(undefined),
      )) {
        seq = event.seq;
        newest = [event, ...newest].slice(0, MAX_EVENTS);
        show();
        if (active) reloadSoon();
      }
    };
    const keepFollowing = async () => {
      while (!abort.signal.aborted) {
        await whenVisible();
        // A browser has few connections to a server, and pages that nobody looks at would keep them.
        const hidden = hiddenSignal(abort.signal);
        try {
          await follow(AbortSignal.any([abort.signal, hidden]));
          if (!active) return;
          // A server that stops ends its events too. Whether the run has ended shows when it is read.
          reload();
        } catch (error) {
          if (abort.signal.aborted) return;
          if (hidden.aborted) continue;
          const found = problemOf(error);
          // It goes on by itself where it was.
          if (isTemporary(found)) setProblem(found);
          else if (found.code !== 'UNAUTHENTICATED') return setProblem(found);
          // That renews the token, or waits until somebody has signed in again.
          else await api.ask('viewer', {}, abort.signal).catch(() => undefined);
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    };
    void keepFollowing();
    return () => abort.abort();
    // Not again with each event: `lastSeq` is only where to begin.
  }, [api, id, isKnown, active, reload]);
  return { events, problem };
}

/**
 * Calls `act` soon, but not more often than every so many milliseconds.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @param {() => void} act
 */
function throttled(ms, signal, act) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      if (!signal.aborted) act();
    }, ms);
  };
}
