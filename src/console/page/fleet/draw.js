import { marks } from './groups.js';

/** @import { Cell } from '../types.d.ts' */
/** @import { Group } from './groups.js' */
/** @import { Layout } from './layout.js' */

/** The edge of the square in which `marks` are drawn. */
const MARK_SIZE = 12;
/** Cells that are smaller, in CSS pixels, have no marks: nobody could see their form. */
const SMALLEST_MARKED = 8;

/**
 * Draws the fleet.
 * @param {HTMLCanvasElement} canvas
 * @param {readonly Cell[]} cells
 * @param {(cell: Cell) => Group} groupOf
 * @param {Layout} layout
 * @param {number | undefined} chosen the number of the cell with an outline
 */
export function drawFleet(canvas, cells, groupOf, layout, chosen) {
  const { size, columns, height } = layout;
  const scale = devicePixelRatio;
  canvas.width = columns * size * scale;
  canvas.height = height * scale;
  canvas.style.width = `${columns * size}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  if (!context) return;
  const style = getComputedStyle(canvas);
  const colourOf = (/** @type {string} */ name) => style.getPropertyValue(`--cell-${name}`);
  const gap = size > 12 ? 2 : 1;
  const edge = size - gap;
  const at = (/** @type {number} */ index) =>
    /** @type {const} */ ([(index % columns) * size, Math.floor(index / columns) * size]);

  for (const [group, indexes] of byGroup(cells, groupOf)) {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = colourOf(group.colour);
    for (const index of indexes) context.fillRect(...at(index), edge, edge);
    const mark = marks[group.mark];
    if (!mark || size < SMALLEST_MARKED) continue;
    const path = new Path2D(mark);
    context.fillStyle = colourOf('mark');
    for (const index of indexes) {
      const [x, y] = at(index);
      const factor = (scale * edge) / MARK_SIZE;
      context.setTransform(factor, 0, 0, factor, x * scale, y * scale);
      context.fill(path);
    }
  }
  if (chosen === undefined || chosen >= cells.length) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const [x, y] = at(chosen);
  context.strokeStyle = colourOf('chosen');
  context.lineWidth = 2;
  context.strokeRect(x + 1, y + 1, edge - 2, edge - 2);
}

/**
 * The numbers of the cells of each group, so that a colour is set once.
 * @param {readonly Cell[]} cells
 * @param {(cell: Cell) => Group} groupOf
 * @returns {ReadonlyMap<Group, readonly number[]>}
 */
function byGroup(cells, groupOf) {
  /** @type {Map<Group, number[]>} */
  const found = new Map();
  for (const [index, cell] of cells.entries()) {
    const group = groupOf(cell);
    const indexes = found.get(group);
    if (indexes) indexes.push(index);
    else found.set(group, [index]);
  }
  return found;
}
