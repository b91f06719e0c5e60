import { useCallback, useContext, useEffect, useRef, useState } from '../vendor/hooks.js';
import { ApiContext } from './context.js';
import { isTemporary, Problem, problemOf } from './problem.js';

/** @import { Answers, Operation } from '../types.d.ts' */

/** How long to wait after a problem that passes by itself, in milliseconds. */
const RETRY_MS = 5_000;

/**
 * Asks for something, and again when the variables change, on `reload`, after a problem that passes by itself, and regularly
 * if that is wanted, while the page is visible.
 * @template {Operation} O
 * @param {O} operation
 * @param {object} variables
 * @param {{ every?: number | undefined, skip?: boolean }} [options] every: milliseconds between requests
 * @returns {{ data: Answers[O] | undefined, problem: Problem | undefined, isLoading: boolean, reload: () => void }}
 */
export function useQuery(operation, variables, { every, skip = false } = {}) {
  const api = useContext(ApiContext);
  const key = JSON.stringify([operation, variables]);
  /** @type {[{ key: string, data?: Answers[O], problem?: Problem }, any]} */
  const [state, setState] = useState({ key: '' });
  const latest = useRef(variables);
  latest.current = variables;

  const load = useRef(() => {});

  useEffect(() => {
    load.current = () => {};
    if (skip) return;
    const abort = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let isBusy = false;
    let isDue = false;
    /** @type {number | undefined} */
    let pause;
    const loadOnce = async () => {
      try {
        const data = await api.ask(operation, latest.current, abort.signal);
        if (!abort.signal.aborted) setState({ key, data });
        pause = every;
      } catch (error) {
        if (abort.signal.aborted) return;
        const found = problemOf(error);
        pause = every ?? (isTemporary(found) ? RETRY_MS : undefined);
        setState((/** @type {{ key: string, data?: Answers[O] }} */ before) => ({
          ...(before.key === key ? before : { key }),
          problem: found,
        }));
      }
    };
    load.current = async () => {
      isDue = true;
      if (isBusy) return;
      isBusy = true;
      clearTimeout(timer);
      // A request that takes long is not cut off by the next one, or there would be no answer at all.
      while (isDue && !abort.signal.aborted) {
        isDue = false;
        await loadOnce();
      }
      isBusy = false;
      if (pause !== undefined && !abort.signal.aborted) timer = setTimeout(again, pause);
    };
    const again = () => {
      // The page asks for nothing while nobody looks.
      if (document.visibilityState === 'visible') return load.current();
      document.addEventListener('visibilitychange', again, { once: true, signal: abort.signal });
    };
    load.current();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [api, key, operation, every, skip]);

  const isCurrent = state.key === key;
  return {
    data: isCurrent ? state.data : undefined,
    problem: isCurrent ? state.problem : undefined,
    isLoading: !skip && (!isCurrent || (state.data === undefined && state.problem === undefined)),
    reload: useCallback(() => load.current(), []),
  };
}
