import { html } from '../html.js';
import { count, counted, word } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { ChoiceField, SearchField } from '../parts/search-field.js';
import { goTo, setParams } from '../routes.js';
import { useCallback, useMemo } from '../vendor/hooks.js';
import { useFleet } from './fleet.js';
import { groupsOf, stateOf } from './groups.js';
import { Legend } from './legend.js';
import { Picture } from './picture.js';
import { TenantList } from './tenant-list.js';

/** @import { Fleet } from './fleet.js' */
/** @import { Cell } from '../types.d.ts' */

/** The statuses of tenants that a run would migrate, as in `fleetStatus.behind`. */
const ofFleet = ['ACTIVE', 'SUSPENDED', 'MAINTENANCE'];

/** @param {{ params: URLSearchParams }} props */
export function FleetPage({ params }) {
  const fleet = useFleet();
  const [cells, states] = [fleet.cells(), fleet.states()];
  const { groups, groupOf } = useMemo(() => groupsOf(cells, states), [cells, states]);
  const servers = useMemo(() => [...new Set(cells.map(({ server }) => server))].sort(), [cells]);
  const [search, group, server, isolation] = ['search', 'group', 'server', 'isolation'].map(
    (name) => params.get(name) ?? '',
  );
  const shown = useMemo(() => {
    const text = search?.toLowerCase() ?? '';
    const fits = (/** @type {Cell} */ cell) =>
      (!text || cell.slug.includes(text)) &&
      (!server || cell.server === server) &&
      (!isolation || cell.isolation === isolation) &&
      (!group || groupOf(cell).key === group);
    return search || group || server || isolation ? cells.filter(fits) : cells;
  }, [cells, groupOf, search, group, server, isolation]);
  const describe = useCallback(
    (/** @type {Cell} */ cell) => {
      const state = stateOf(cell, states);
      const version = state
        ? `${state.version ?? 'no migration'}, ${state.behind === 0 ? 'current' : `${state.behind} behind`}`
        : 'version unknown';
      return `${cell.slug}: ${word(cell.status)}, ${version}, on ${cell.server}, own ${cell.isolation.toLowerCase()}`;
    },
    [states],
  );
  return html`
    <div class="heading"><h1 tabindex="-1">Fleet</h1><${Summary} fleet=${fleet} /></div>
    <${ProblemNote} problem=${fleet.problem()} />
    <div class="filters" role="search" aria-label="Filter tenants">
      <${SearchField} label="Slug contains" param="search" value=${search} />
      ${servers.length > 1 && html`<${ChoiceField} label="Server" param="server" value=${server} options=${servers.map((name) => ({ value: name, name }))} />`}
      <${ChoiceField} label="Isolation" param="isolation" value=${isolation}
        options=${[{ value: 'DATABASE', name: 'Own database' }, { value: 'SCHEMA', name: 'Own schema' }]} />
      <p class="muted">${shown.length === cells.length ? '' : `${count(shown.length)} of ${counted(cells.length, 'tenant')} shown`}</p>
    </div>
    <${Legend} groups=${groups} chosen=${group} />
    ${
      shown.length > 0
        ? html`<${Picture} cells=${shown} groupOf=${groupOf} describe=${describe} onOpen=${(/** @type {Cell} */ { id }) => goTo('tenants', id)} />
            <${TenantList} cells=${shown} states=${states} />`
        : html`<p class="muted">${emptyText(fleet.isComplete(), cells.length)}</p>
            ${group && cells.length > 0 && html`<button type="button" onClick=${() => setParams({ group: '' })}>Show all colours</button>`}`
    }`;
}

/** @param {{ fleet: Fleet }} props */
function Summary({ fleet }) {
  const [cells, states] = [fleet.cells(), fleet.states()];
  if (!fleet.isComplete()) return html`<p class="muted">Reading: ${counted(cells.length, 'tenant')} so far</p>`;
  const behind = cells.filter((cell) => ofFleet.includes(cell.status) && stateOf(cell, states)?.behind !== 0).length;
  const attention = cells.filter(({ status }) => status === 'NEEDS_ATTENTION').length;
  return html`<p class="muted" data-complete>${counted(cells.length, 'tenant')}, ${count(behind)} behind,
    ${' '}<span class=${attention > 0 ? 'alarm' : ''}>${attention === 1 ? '1 needs' : `${count(attention)} need`} attention</span></p>`;
}

/**
 * @param {boolean} isComplete
 * @param {number} total
 */
function emptyText(isComplete, total) {
  if (!isComplete) return 'One moment …';
  return total > 0
    ? 'No tenant fits these filters.'
    : 'There are no tenants yet. Create one with `tenantry tenant create SLUG` or the mutation createTenant.';
}
