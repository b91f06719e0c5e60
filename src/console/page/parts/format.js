import { html } from '../html.js';

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** @param {number} number */
export function count(number) {
  return number.toLocaleString('en');
}

/**
 * A number with what it counts, such as "1 tenant" and "2 tenants".
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/**
 * A moment by the reader's clock.
 * @param {{ at: string | null | undefined }} props
 */
export function Time({ at }) {
  if (!at) return html`<span class="muted">–</span>`;
  return html`<time datetime=${at} title=${at}>${dates.format(new Date(at))}</time>`;
}

/**
 * How long ago something was, such as "3 min ago".
 * @param {string} at
 */
export function ago(at) {
  const ms = Date.now() - Date.parse(at);
  return ms < 10_000 ? 'just now' : `${duration(ms)} ago`;
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = seconds / 60;
  return minutes < 90 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** @param {number | null} bytes */
export function size(bytes) {
  if (bytes === null) return '–';
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : 1)} ${units[power]}`;
}

/**
 * An enum value of the API as a word, such as "Needs attention".
 * @param {string} value
 */
export function word(value) {
  const text = value.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * A status: a word, with a mark whose form and colour say the same.
 * @param {{ value: string }} props
 */
export function Status({ value }) {
  return html`<span class="status" data-status=${value}>${word(value)}</span>`;
}
