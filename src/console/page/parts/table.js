import { html } from '../html.js';

/**
 * A table that scrolls by itself where the screen is narrow.
 * @param {object} props
 * @param {string} props.caption what it lists, for screen readers
 * @param {readonly string[]} props.columns
 * @param {readonly unknown[]} props.children its rows
 * @param {string} [props.empty] what to say without rows
 */
export function Table({ caption, columns, children, empty = 'There are none.' }) {
  const rows = [children].flat().filter(Boolean);
  if (rows.length === 0) return html`<p class="muted">${empty}</p>`;
  return html`<div class="scroll" role="group" aria-label=${caption} tabindex="0"><table>
    <caption class="sr-only">${caption}</caption>
    <thead><tr>${columns.map((name) => html`<th scope="col" key=${name}>${name}</th>`)}</tr></thead>
    <tbody>${rows}</tbody>
  </table></div>`;
}
