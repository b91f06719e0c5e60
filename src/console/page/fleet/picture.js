import { html } from '../html.js';
import { count } from '../parts/format.js';
import { useEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { drawFleet } from './draw.js';
import { cellAfterKey, cellAt, layoutOf } from './layout.js';
import { useCanvasSize } from './use-canvas-size.js';

/** @import { Cell } from '../types.d.ts' */
/** @import { Group } from './groups.js' */

/** The width of the note beside a cell, in CSS pixels; the stylesheet has it too. */
const TIP_WIDTH = 260;

/**
 * The fleet as a picture: a cell for each tenant. The mouse and the arrow keys show which tenant it is, a click and Enter open it.
 * @param {object} props
 * @param {readonly Cell[]} props.cells
 * @param {(cell: Cell) => Group} props.groupOf
 * @param {(cell: Cell) => string} props.describe
 * @param {(cell: Cell) => void} props.onOpen
 */
export function Picture({ cells, groupOf, describe, onOpen }) {
  /** @type {import('preact').RefObject<HTMLDivElement | null>} */
  const frame = useRef(null);
  /** @type {import('preact').RefObject<HTMLCanvasElement | null>} */
  const canvas = useRef(null);
  const { width, height, scheme } = useCanvasSize(frame);
  const [pointed, setPointed] = useState(/** @type {number | undefined} */ (undefined));
  const [focused, setFocused] = useState(0);
  const [hasFocus, setHasFocus] = useState(false);
  const layout = useMemo(() => layoutOf(cells.length, width, height), [cells.length, width, height]);
  const last = Math.min(focused, cells.length - 1);
  const chosen = pointed ?? (hasFocus ? last : undefined);
  const cell = chosen === undefined ? undefined : cells[chosen];

  useEffect(() => {
    if (canvas.current && width > 0) drawFleet(canvas.current, cells, groupOf, layout, chosen);
  }, [cells, groupOf, layout, chosen, width, scheme]);

  const indexOf = (/** @type {MouseEvent} */ { offsetX, offsetY }) => cellAt(layout, cells.length, offsetX, offsetY);
  const open = (/** @type {number | undefined} */ index) => {
    const opened = index === undefined ? undefined : cells[index];
    if (opened) onOpen(opened);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    // With these it is the browser's: Alt and an arrow lead back.
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'Enter') return open(last);
    const next = cellAfterKey(event.key, last, cells.length, layout);
    if (next === undefined) return;
    event.preventDefault();
    setPointed(undefined);
    setFocused(next);
    const y = Math.floor(next / layout.columns) * layout.size;
    scrollIntoView(canvas.current, y, layout.size);
  };
  return html`<div class="picture" ref=${frame} tabindex="0" role="application"
      aria-label="Picture of the fleet with ${count(cells.length)} tenants. The arrow keys move between tenants, Enter opens one."
      onKeyDown=${onKeyDown} onFocus=${() => setHasFocus(true)} onBlur=${() => setHasFocus(false)}>
    <canvas ref=${canvas} aria-hidden="true" onMouseMove=${(/** @type {MouseEvent} */ event) => setPointed(indexOf(event))}
      onMouseLeave=${() => setPointed(undefined)} onClick=${(/** @type {MouseEvent} */ event) => open(indexOf(event))}></canvas>
    ${cell && chosen !== undefined && html`<div class="tip" aria-hidden="true" style=${tipPlace(chosen, layout, width)}>${describe(cell)}</div>`}
    <div class="sr-only" aria-live="polite">${hasFocus && cells[last] && describe(cells[last])}</div>
  </div>`;
}

/**
 * Below the cell, and not beyond the right edge.
 * @param {number} index
 * @param {{ size: number, columns: number }} layout
 * @param {number} width
 */
function tipPlace(index, { size, columns }, width) {
  const left = Math.max(0, Math.min((index % columns) * size, width - TIP_WIDTH));
  return { left: `${left}px`, top: `${Math.floor(index / columns) * size + size + 4}px` };
}

/**
 * Scrolls the page until a row of the picture can be seen.
 * @param {HTMLCanvasElement | null} canvas
 * @param {number} y
 * @param {number} size
 */
function scrollIntoView(canvas, y, size) {
  if (!canvas) return;
  const top = canvas.getBoundingClientRect().top + y;
  if (top < 0) scrollBy(0, top - size);
  else if (top + size > innerHeight) scrollBy(0, top + 2 * size - innerHeight);
}
