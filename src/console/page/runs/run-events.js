import { html } from '../html.js';
import { counted, Time, word } from '../parts/format.js';

/** @import { RunEvent } from '../types.d.ts' */

/**
 * What has happened in a run lately, the newest first.
 * @param {{ events: readonly RunEvent[] }} props
 */
export function RunEvents({ events }) {
  if (events.length === 0) return null;
  return html`<section><details>
    <summary>The newest ${counted(events.length, 'event')}</summary>
    <ol class="events">${events.map(
      ({ seq, at, kind, tenant, migration, message }) => html`<li key=${seq}>
        <${Time} at=${at} /> <span>${word(kind)}</span> ${tenant && html`<strong>${tenant.slug}</strong>`} ${migration && html`<code>${migration}</code>`} <span class="muted">${message}</span>
      </li>`,
    )}</ol>
  </details></section>`;
}
