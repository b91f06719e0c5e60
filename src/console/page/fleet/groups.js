import { word } from '../parts/format.js';

/** @import { Cell, FleetState } from '../types.d.ts' */

/**
 * Tenants with the same colour: those of a version, if they are served, or else those of a status.
 * @typedef {object} Group
 * @property {string} key
 * @property {string} label
 * @property {string} note
 * @property {string} colour the name of the colour in the stylesheet
 * @property {string} mark the form drawn on the colour; see `marks`
 * @property {number} behind
 * @property {number} count
 */

/** The groups of tenants that are not served as usual, in the order of the legend. */
const statuses = ['NEEDS_ATTENTION', 'MAINTENANCE', 'PROVISIONING', 'SUSPENDED', 'DELETED', 'DELETING'];

/** Forms by name, as SVG paths in a square of 12: whoever cannot tell the colours apart sees them. */
export const marks = /** @type {Readonly<Record<string, string>>} */ ({
  'behind-1': 'M12 8 V12 H8 Z',
  'behind-2': 'M12 6 V12 H6 Z',
  'behind-3': 'M12 4 V12 H4 Z',
  'behind-4': 'M12 2 V12 H2 Z',
  NEEDS_ATTENTION: 'M5 2 H7 V7 H5 Z M5 8 H7 V10 H5 Z',
  MAINTENANCE: 'M2 5 H10 V7 H2 Z',
  PROVISIONING: 'M4 4 H8 V8 H4 Z',
  SUSPENDED: 'M3 2 H5 V10 H3 Z M7 2 H9 V10 H7 Z',
  DELETED: 'M2 2 H10 V4 H2 Z M3 5 H9 V10 H3 Z',
  DELETING: 'M2 3 L3 2 L10 9 L9 10 Z',
});

/** How many versions that are behind have a colour of their own. */
const MAX_BEHIND = 4;

/**
 * Sorts the fleet into groups.
 * @param {readonly Cell[]} cells
 * @param {ReadonlyMap<string, FleetState>} states
 * @returns {{ groups: readonly Group[], groupOf: (cell: Cell) => Group }}
 */
export function groupsOf(cells, states) {
  const missing = Math.max(0, ...[...states.values()].map(({ behind }) => behind));
  /** @type {Map<string, Group>} */
  const found = new Map();
  for (const cell of cells) {
    const key = keyOf(cell, states);
    const group = found.get(key);
    if (group) group.count += 1;
    else
      found.set(key, cell.status === 'ACTIVE' ? versionGroup(key, stateOf(cell, states), missing) : statusGroup(key));
  }
  const versions = [...found.values()].filter(({ mark }) => mark === '').sort((a, b) => a.behind - b.behind);
  const colours = new Map([...new Set(versions.map(({ behind }) => behind).filter(Boolean))].map((n, i) => [n, i + 1]));
  for (const group of versions) {
    const rank = Math.min(colours.get(group.behind) ?? 0, MAX_BEHIND);
    if (rank > 0) group.colour = group.mark = `behind-${rank}`;
  }
  const others = statuses.flatMap((status) => found.get(status) ?? []);
  const groups = [...versions, ...others];
  const byKey = new Map(groups.map((group) => [group.key, group]));
  // For a cell that is not among `cells`, which nobody asks about.
  const unknown = statusGroup('NEEDS_ATTENTION');
  return { groups, groupOf: (cell) => byKey.get(keyOf(cell, states)) ?? unknown };
}

/**
 * The version of a tenant, and how many migrations it lacks. Undefined while its migrations are unknown.
 * @param {Cell} cell
 * @param {ReadonlyMap<string, FleetState>} states
 */
export function stateOf({ state }, states) {
  return state === null ? undefined : states.get(state);
}

/**
 * @param {Cell} cell
 * @param {ReadonlyMap<string, FleetState>} states
 */
function keyOf(cell, states) {
  if (cell.status !== 'ACTIVE') return cell.status;
  const state = stateOf(cell, states);
  return state ? `${state.version ?? ''}/${state.behind}` : 'unknown';
}

/**
 * @param {string} key
 * @param {FleetState | undefined} state
 * @param {number} most how many migrations the tenants lack at most, as far as that is known
 * @returns {Group}
 */
function versionGroup(key, state, most) {
  const behind = state?.behind ?? most + 1;
  const note = behind === 0 ? 'current' : state ? `${behind} behind` : '';
  const label = state ? (state.version ?? 'No migration') : 'Unknown version';
  return { key, label, note, colour: 'current', mark: '', behind, count: 1 };
}

/**
 * @param {string} status
 * @returns {Group}
 */
function statusGroup(status) {
  return { key: status, label: word(status), note: '', colour: status, mark: status, behind: 0, count: 1 };
}
