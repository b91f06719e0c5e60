import { problemOf } from '../api/problem.js';
import { whenVisible } from '../parts/visible.js';
import { useContext, useLayoutEffect, useReducer } from '../vendor/hooks.js';
import { createContext } from '../vendor/preact.js';

/** @import { Problem } from '../api/problem.js' */
/** @import { Api, Cell, FleetState } from '../types.d.ts' */

/** How long to wait before asking for changes, in milliseconds. */
const PAUSE_MS = 2_000;
/** The same after a problem. */
const PAUSE_AFTER_PROBLEM_MS = 5_000;

/**
 * The whole fleet, as far as it has been read. It stays while the console shows other pages.
 * @typedef {object} Fleet
 * @property {() => readonly Cell[]} cells by slug
 * @property {() => ReadonlyMap<string, FleetState>} states
 * @property {() => boolean} isComplete whether all tenants have been read once
 * @property {() => Problem | undefined} problem
 * @property {(listener: () => void) => () => void} watch keeps the fleet current until the result is called
 */

/**
 * Reads all tenants once, and then only what changes, while somebody watches.
 * @param {Api} api
 * @returns {Fleet}
 */
export function createFleet(api) {
  /** @type {Map<string, Cell>} */
  let byId = new Map();
  /** @type {readonly Cell[]} */
  let sorted = [];
  /** @type {ReadonlyMap<string, FleetState>} */
  let states = new Map();
  /** @type {string | undefined} */
  let cursor;
  let isComplete = false;
  /** @type {Problem | undefined} */
  let problem;
  const listeners = new Set();
  let isReading = false;

  function changed() {
    for (const listener of listeners) listener();
  }

  function reset() {
    byId = new Map();
    sorted = [];
    cursor = undefined;
    isComplete = false;
  }

  /** Returns whether there is more to read at once. */
  async function readPage() {
    const { fleetCells: page } = await api.ask('fleetCells', { after: cursor });
    const before = JSON.stringify([...states.values()]);
    for (const cell of page.cells) byId.set(cell.id, cell);
    for (const id of page.deleted) byId.delete(id);
    states = new Map(page.states.map((state) => [state.id, state]));
    cursor = page.cursor;
    const hasChanged = page.cells.length + page.deleted.length > 0 || JSON.stringify(page.states) !== before;
    if (hasChanged) sorted = [...byId.values()].sort(bySlug);
    if (hasChanged || problem || (!isComplete && !page.hasMore)) {
      isComplete ||= !page.hasMore;
      problem = undefined;
      changed();
    }
    return page.hasMore;
  }

  async function read() {
    if (isReading) return;
    isReading = true;
    while (listeners.size > 0) {
      let pause = PAUSE_MS;
      try {
        if (await readPage()) continue;
      } catch (error) {
        problem = problemOf(error);
        if (problem.code === 'BAD_USER_INPUT' && cursor) {
          // The cursor has become too old, such as after a night, so the list starts again. Nobody has to do anything.
          problem = undefined;
          reset();
        } else pause = PAUSE_AFTER_PROBLEM_MS;
        changed();
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      await whenVisible();
    }
    isReading = false;
  }

  return {
    cells: () => sorted,
    states: () => states,
    isComplete: () => isComplete,
    problem: () => problem,
    watch(listener) {
      listeners.add(listener);
      void read();
      return () => listeners.delete(listener);
    },
  };
}

/**
 * @param {Cell} one
 * @param {Cell} other
 */
function bySlug(one, other) {
  if (one.slug === other.slug) return 0;
  return one.slug < other.slug ? -1 : 1;
}

/**
 * @type {import('preact').Context<Fleet>}
 */
// The root of the page provides it, so that nobody sees the empty one.
export const FleetContext = createContext(/** @type {Fleet} */ (/** @type {unknown} */ (undefined)));

/** The fleet, kept current while the component is shown. */
export function useFleet() {
  const fleet = useContext(FleetContext);
  const [, update] = useReducer((/** @type {number} */ n) => n + 1, 0);
  useLayoutEffect(() => fleet.watch(() => update(undefined)), [fleet]);
  return fleet;
}
