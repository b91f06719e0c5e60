import { html } from '../html.js';
import { setParams } from '../routes.js';
import { useEffect, useLayoutEffect, useRef } from '../vendor/hooks.js';

/** How long to wait for the next key before the text counts, in milliseconds. */
const PAUSE_MS = 250;

/**
 * A field for text that filters a list. Its text is a parameter of the address.
 * @param {{ label: string, param: string, value: string, placeholder?: string }} props
 */
export function SearchField({ label, param, value, placeholder }) {
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  useEffect(() => () => clearTimeout(timer.current), []);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  // Before the page is drawn, so that the field never shows another text than the list is filtered by.
  useLayoutEffect(() => {
    // Another address, such as that of a link, has another text, but nobody's typing is undone.
    if (input.current && input.current !== document.activeElement) input.current.value = value ?? '';
  }, [value]);
  const changed = (/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => {
    const text = event.currentTarget.value.trim();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setParams({ [param]: text }), PAUSE_MS);
  };
  return html`<label class="field">${label}
    <input ref=${input} type="search" defaultValue=${value} placeholder=${placeholder} onInput=${changed} />
  </label>`;
}

/**
 * A choice that filters a list. It is a parameter of the address.
 * @param {{ label: string, param: string, value: string, options: readonly { value: string, name: string }[] }} props
 */
export function ChoiceField({ label, param, value, options }) {
  const changed = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ event) =>
    setParams({ [param]: event.currentTarget.value });
  return html`<label class="field">${label}
    <select value=${value} onChange=${changed}>
      <option value="">All</option>
      ${options.map((each) => html`<option key=${each.value} value=${each.value}>${each.name}</option>`)}
    </select>
  </label>`;
}
