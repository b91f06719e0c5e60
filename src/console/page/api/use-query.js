import { useCallback, useContext, useEffect, useRef, useState } from '../vendor/hooks.js';
import { ApiContext } from './context.js';
import { Problem, problemOf } from './problem.js';

/** @import { Answers, Operation } from '../types.d.ts' */

/**
 * Asks for something, and again when the variables change, on `reload` and regularly while the page is visible.
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
  const [round, setRound] = useState(0);
  const latest = useRef(variables);
  latest.current = variables;

  useEffect(() => {
    if (skip) return;
    const abort = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const load = async () => {
      try {
        const data = await api.ask(operation, latest.current, abort.signal);
        if (!abort.signal.aborted) setState({ key, data });
      } catch (error) {
        if (abort.signal.aborted) return;
        setState((/** @type {{ key: string, data?: Answers[O] }} */ before) => ({
          ...(before.key === key ? before : { key }),
          problem: problemOf(error),
        }));
      }
      if (every !== undefined && !abort.signal.aborted) timer = setTimeout(again, every);
    };
    const again = () => {
      // The page asks for nothing while nobody looks.
      if (document.visibilityState === 'visible') return void load();
      document.addEventListener('visibilitychange', again, { once: true, signal: abort.signal });
    };
    void load();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [api, key, every, skip, round]);

  const isCurrent = state.key === key;
  return {
    data: isCurrent ? state.data : undefined,
    problem: isCurrent ? state.problem : undefined,
    isLoading: !skip && (!isCurrent || (state.data === undefined && state.problem === undefined)),
    reload: useCallback(() => setRound((/** @type {number} */ n) => n + 1), []),
  };
}
