import { styleText } from 'node:util';
import stringWidth from 'string-width';
import { hasColour, oneLine, type Screen, type Terminal } from './terminal.ts';

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null | undefined;
}

const GAP = 2;

/**
 * Writes rows below the titles of their columns. On a terminal, the table is truncated to the width and numbers are
 * right-aligned. Otherwise, cells are separated by tabs, for tools such as `cut`.
 */
export function writeTable<Row>(
  terminal: Pick<Terminal, 'env'>,
  screen: Screen,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): void {
  const cells = rows.map((row) => columns.map(({ value }) => value(row) ?? '—'));
  const lines = [columns.map(({ title }) => title), ...cells.map((line) => line.map((cell) => oneLine(String(cell))))];
  if (!screen.isTTY) {
    for (const line of lines) screen.write(`${line.join('\t')}\n`);
    return;
  }
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => stringWidth(line[index] ?? ''))));
  if (screen.columns) fitTo(widths, screen.columns);
  const numeric = columns.map((_, index) => cells.every((line) => typeof line[index] === 'number'));
  for (const [number, line] of lines.entries()) {
    const text = line
      .map((cell, index) => pad(cut(cell, widths[index] ?? 0), widths[index] ?? 0, numeric[index] === true))
      .join(' '.repeat(GAP))
      .trimEnd();
    const bold = number === 0 && hasColour(terminal, screen);
    screen.write(`${bold ? styleText('bold', text, { validateStream: false }) : text}\n`);
  }
}

/** Narrows the widest column until all columns fit. */
function fitTo(widths: number[], limit: number): void {
  const total = () => widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1));
  for (let widest = Math.max(...widths); total() > limit && widest > 1; widest = Math.max(...widths)) {
    widths[widths.indexOf(widest)] = widest - 1;
  }
}

/** Truncates a text to a number of terminal columns. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let short = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(short + segment) > width - 1) break;
    short += segment;
  }
  return `${short}…`;
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return right ? space + text : text + space;
}
