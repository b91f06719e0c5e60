import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { word } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';

/** How many members one request returns. */
const PAGE = 50;

/**
 * The first members of a tenant.
 * @param {{ id: string }} props
 */
export function Members({ id }) {
  const { data, problem } = useQuery('members', { id });
  const members = data?.tenant?.members;
  return html`<section aria-labelledby="members"><h2 id="members">Members</h2>
    <${ProblemNote} problem=${problem} />
    ${
      members &&
      html`<${Table} caption="Members" columns=${['Email address', 'Name', 'Role']}>
      ${members.map(
        ({ user, role, isPending }) => html`<tr key=${user.id}>
          <th scope="row">${user.email || '–'}</th><td>${user.name}</td><td>${word(role)}${isPending && ', invited'}</td>
        </tr>`,
      )}<//>
      ${members.length === PAGE && html`<p class="muted">The first ${PAGE} are shown.</p>`}`
    }
  </section>`;
}
