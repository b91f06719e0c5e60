/** The sizes of a cell with its gap, in CSS pixels, the largest first. */
const sizes = [36, 30, 26, 22, 19, 16, 14, 12, 10, 9, 8];

/**
 * Where the cells of a picture are: in rows from the top left.
 * @typedef {object} Layout
 * @property {number} size of a cell with its gap, in CSS pixels
 * @property {number} columns
 * @property {number} height of the picture, in CSS pixels
 */

/**
 * Chooses the largest cells with which the picture fits. The smallest ones may need more height than that.
 * @param {number} count
 * @param {number} width in CSS pixels
 * @param {number} height in CSS pixels
 * @returns {Layout}
 */
export function layoutOf(count, width, height) {
  const layouts = sizes.map((size) => {
    const columns = Math.max(1, Math.floor(width / size));
    return { size, columns, height: Math.max(1, Math.ceil(count / columns)) * size };
  });
  const found = layouts.find((layout) => layout.height <= height) ?? layouts.at(-1);
  if (!found) throw new Error('There are no sizes');
  return found;
}

/**
 * The number of the cell at a point; undefined if there is none.
 * @param {Layout} layout
 * @param {number} count
 * @param {number} x
 * @param {number} y
 */
export function cellAt({ size, columns }, count, x, y) {
  const column = Math.floor(x / size);
  const index = Math.floor(y / size) * columns + column;
  return column >= 0 && column < columns && index >= 0 && index < count ? index : undefined;
}

/**
 * Where a key leads to from a cell; undefined if the key means nothing.
 * @param {string} key
 * @param {number} index
 * @param {number} count
 * @param {Layout} layout
 */
export function cellAfterKey(key, index, count, { columns }) {
  /** @type {Readonly<Record<string, number>>} */
  const targets = {
    ArrowLeft: index - 1,
    ArrowRight: index + 1,
    ArrowUp: index - columns < 0 ? index : index - columns,
    ArrowDown: index + columns >= count ? index : index + columns,
    PageUp: index - 10 * columns,
    PageDown: index + 10 * columns,
    Home: 0,
    End: count - 1,
  };
  const target = targets[key];
  return target === undefined ? undefined : Math.min(Math.max(target, 0), count - 1);
}
