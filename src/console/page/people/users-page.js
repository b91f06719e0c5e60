import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { Time } from '../parts/format.js';
import { Pager, usePages } from '../parts/pager.js';
import { ProblemNote } from '../parts/problem-note.js';
import { SearchField } from '../parts/search-field.js';
import { Table } from '../parts/table.js';
import { useState } from '../vendor/hooks.js';
import { UserDialog } from './user-dialog.js';

/** @import { User } from '../types.d.ts' */
/** @import { Choice } from './user-dialog.js' */

/** @param {{ params: URLSearchParams }} props */
export function UsersPage({ params }) {
  const search = params.get('search') ?? '';
  const pages = usePages(search);
  const { data, problem, isLoading, reload } = useQuery('users', { search: search || undefined, after: pages.after });
  const [choice, setChoice] = useState(/** @type {Choice | undefined} */ (undefined));
  const users = data?.users;
  return html`
    <h1 tabindex="-1">Users</h1>
    <div class="filters" role="search" aria-label="Filter users"><${SearchField} label="Email address or name contains" param="search" value=${search} /></div>
    <${ProblemNote} problem=${problem} />
    ${isLoading && html`<p class="muted">One moment …</p>`}
    ${
      users &&
      html`<${Table} caption="Users" columns=${['Email address', 'Name', 'May sign in', 'Platform admin', 'Since', 'Actions']} empty="No user fits.">
      ${users.nodes.map((user) => row(user, setChoice))}<//>
      <${Pager} pages=${pages} of=${users} label="Pages of users" />`
    }
    ${choice && html`<${UserDialog} choice=${choice} onDone=${reload} onClose=${() => setChoice(undefined)} />`}`;
}

/**
 * @param {User} user
 * @param {(choice: Choice) => void} choose
 */
function row(user, choose) {
  const { id, email, name, active, isPlatformAdmin, createdAt } = user;
  const who = email || name || id;
  const [access, role] = [active ? 'Deactivate' : 'Activate', isPlatformAdmin ? 'Remove as admin' : 'Make admin'];
  return html`<tr key=${id}>
    <th scope="row">${email || '–'}</th>
    <td>${name}</td>
    <td>${active ? 'Yes' : 'No'}</td>
    <td>${isPlatformAdmin ? 'Yes' : 'No'}</td>
    <td><${Time} at=${createdAt} /></td>
    <td><div class="buttons">
      <button type="button" aria-label="${access}: ${who}" onClick=${() => choose({ kind: 'active', user })}>${access} …</button>
      <button type="button" aria-label="${role}: ${who}" onClick=${() => choose({ kind: 'admin', user })}>${role} …</button>
    </div></td>
  </tr>`;
}
