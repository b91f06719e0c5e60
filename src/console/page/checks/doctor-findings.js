import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { useState } from '../vendor/hooks.js';

/** @import { Finding } from './types.d.ts' */

/** What the doctor finds, when somebody asks for it: it looks into every server. */
export function DoctorFindings() {
  const [isAsked, setIsAsked] = useState(false);
  const { data, problem, isLoading, reload } = useQuery('doctor', {}, { skip: !isAsked });
  const check = () => (isAsked ? reload() : setIsAsked(true));
  return html`<section aria-labelledby="doctor">
    <div class="heading"><h2 id="doctor">Doctor</h2>
      <div class="buttons"><button type="button" disabled=${isLoading} onClick=${check}>Check now</button></div></div>
    <${ProblemNote} problem=${problem} />
    <div role="status">
      ${!isAsked && html`<p class="muted">Whether the databases, roles and servers are in order.</p>`}
      ${isLoading && html`<p class="muted">Checking …</p>`}
      ${data?.doctor?.length === 0 && html`<p>All is well.</p>`}
    </div>
    ${
      data?.doctor &&
      data.doctor.length > 0 &&
      html`<${Table} caption="Findings of the doctor" columns=${['Finding', 'What to do', 'By tenantry doctor --fix']}>${data.doctor.map(row)}<//>`
    }
  </section>`;
}

/** @param {Finding} finding */
function row({ message, remedy, fixable }) {
  return html`<tr key=${message}>
    <td class="text">${message}</td>
    <td class="text">${remedy}</td>
    <td>${fixable ? 'Yes' : 'No'}</td>
  </tr>`;
}
