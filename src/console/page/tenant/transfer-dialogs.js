import { ApiContext } from '../api/context.js';
import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { Confirm } from '../parts/confirm.js';
import { ProblemNote } from '../parts/problem-note.js';
import { useContext, useState } from '../vendor/hooks.js';

/** @import { DatabaseServer } from '../servers/types.d.ts' */
/** @import { Tenant } from '../types.d.ts' */
/** @typedef {Tenant['isolation']} Isolation */
/** @typedef {{ tenant: Tenant, onDone: () => void, onClose: () => void }} Props */

const DEFAULT_KEEP_HOURS = 24;
const MAX_KEEP_HOURS = 8_784;

/** @type {Readonly<Record<Isolation, string>>} */
const isolations = { DATABASE: 'Own database', SCHEMA: 'Own schema' };

/**
 * Asks where to move a tenant.
 * @param {Props} props
 */
export function MoveDialog({ tenant: { id, slug, isolation, placement }, onDone, onClose }) {
  const api = useContext(ApiContext);
  const [place, setPlace] = useState({ server: placement.server, isolation });
  const [isOnline, setOnline] = useState(false);
  const [keepHours, setKeepHours] = useState(DEFAULT_KEEP_HOURS);
  const isSame = place.server === placement.server && place.isolation === isolation;
  const isKept = Number.isInteger(keepHours) && keepHours >= 0 && keepHours <= MAX_KEEP_HOURS;
  return html`<${Confirm} title="Move ${slug}?" confirm="Move" isDanger isDisabled=${isSame || !isKept} onClose=${onClose}
      onConfirm=${async () => {
        await api.ask('moveTenant', { input: { tenant: id, ...place, online: isOnline, keepHours } });
        onDone();
      }}>
    <p>It is in ${isolations[isolation].toLowerCase().replace('own', 'its own')} on the server ${placement.server}. Its members, files and checkpoints stay with it.</p>
    <${PlaceFields} place=${place} current=${placement.server} onChange=${setPlace} />
    <label class="check"><input type="checkbox" checked=${isOnline} onChange=${(/** @type {{ target: HTMLInputElement }} */ { target }) => setOnline(target.checked)} />
      Serve it meanwhile, and pause it only for the switch</label>
    <label>Hours to keep the old place
      <input type="number" min="0" max=${MAX_KEEP_HOURS} value=${keepHours} onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => setKeepHours(target.valueAsNumber)} />
    </label>
    <p role="note">${
      isSame
        ? 'Choose another server or another isolation.'
        : isOnline
          ? 'Requests go on. For the switch they wait for a moment.'
          : 'Its requests are refused with TENANT_BUSY until all rows are copied.'
    } If the move fails or is cancelled, the tenant is unchanged and stays where it is.</p>
  <//>`;
}

/**
 * Asks what to call a clone of a tenant, and where to make it.
 * @param {Props} props
 */
export function CloneDialog({ tenant: { id, slug, isolation, placement }, onDone, onClose }) {
  const api = useContext(ApiContext);
  const [place, setPlace] = useState({ server: placement.server, isolation });
  const [clone, setClone] = useState('');
  const [isMasked, setMasked] = useState(true);
  return html`<${Confirm} title="Clone ${slug}?" confirm="Clone" isDanger=${!isMasked} isDisabled=${clone === ''} onClose=${onClose}
      onConfirm=${async () => {
        await api.ask('cloneTenant', { input: { tenant: id, slug: clone, ...place, neutralize: isMasked } });
        onDone();
      }}>
    <p>A new tenant gets its rows${isMasked ? '' : ' and files'}, while ${slug} is served. The clone has no members.</p>
    <label>Slug of the clone
      <input type="text" autocomplete="off" maxlength="63" value=${clone} onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => setClone(target.value.trim())} />
    </label>
    <${PlaceFields} place=${place} current=${placement.server} onChange=${setPlace} />
    <label class="check"><input type="checkbox" checked=${isMasked} onChange=${(/** @type {{ target: HTMLInputElement }} */ { target }) => setMasked(target.checked)} />
      Mask addresses, names and the like, and leave out the contents of files</label>
    ${!isMasked && html`<p role="note">Whoever sees the clone sees the people of ${slug}, and the clone may send mail to them.</p>`}
  <//>`;
}

/**
 * The server and the isolation of a tenant's new place.
 * @param {object} props
 * @param {{ server: string, isolation: Isolation }} props.place
 * @param {string} props.current the server that may be chosen although it accepts no new tenants
 * @param {(place: { server: string, isolation: Isolation }) => void} props.onChange
 */
function PlaceFields({ place, current, onChange }) {
  const { data, problem } = useQuery('servers', {});
  const names = (data?.servers ?? [])
    .filter((/** @type {DatabaseServer} */ { name, acceptsTenants }) => acceptsTenants || name === current)
    .map((/** @type {DatabaseServer} */ { name }) => name);
  const shown = names.includes(current) ? names : [current, ...names];
  return html`<${ProblemNote} problem=${problem} />
    <label>Server
      <select value=${place.server} onChange=${(/** @type {{ target: HTMLSelectElement }} */ { target }) => onChange({ ...place, server: target.value })}>
        ${shown.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
    <label>Isolation
      <select value=${place.isolation} onChange=${(/** @type {{ target: HTMLSelectElement }} */ { target }) => onChange({ ...place, isolation: target.value === 'SCHEMA' ? 'SCHEMA' : 'DATABASE' })}>
        ${Object.entries(isolations).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select></label>`;
}
