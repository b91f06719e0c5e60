import { problemOf } from '../api/problem.js';
import { useState } from '../vendor/hooks.js';

/** @import { Problem } from '../api/problem.js' */

/** @typedef {{ isBusy: boolean, problem: Problem | undefined, run: (work: () => Promise<void>) => Promise<void> }} Action */

/**
 * Something that a person starts and waits for. It is not started twice.
 * @returns {Action}
 */
export function useAction() {
  const [state, setState] = useState(
    /** @type {{ isBusy: boolean, problem: Problem | undefined }} */ ({ isBusy: false, problem: undefined }),
  );
  return {
    ...state,
    async run(work) {
      if (state.isBusy) return;
      setState({ isBusy: true, problem: undefined });
      try {
        await work();
        setState({ isBusy: false, problem: undefined });
      } catch (error) {
        setState({ isBusy: false, problem: problemOf(error) });
      }
    },
  };
}
