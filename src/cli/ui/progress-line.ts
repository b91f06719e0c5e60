import { sizeText } from '../../lib/quantities.ts';
import { columnsOf, createDraw } from './live.ts';
import { cut } from './table.ts';
import { isLive, oneLine, type Screen, type Terminal } from './terminal.ts';

/** Shows how far a long work is. Disposing of it removes the line. */
export interface ProgressLine extends Disposable {
  show(text: string): void;
}

/** The interval between redraws, in milliseconds. */
const DRAW_MS = 100;

/** Creates a line that is redrawn on a terminal. Elsewhere nothing is shown. */
export function createProgressLine(terminal: Pick<Terminal, 'env'>, screen: Screen): ProgressLine {
  if (!isLive(terminal, screen)) return { show: () => undefined, [Symbol.dispose]: () => undefined };
  const draw = createDraw(screen);
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    show(text) {
      const now = performance.now();
      if (now - shownAt < DRAW_MS) return;
      shownAt = now;
      draw(cut(oneLine(text), columnsOf(screen) - 1));
    },
    [Symbol.dispose]() {
      draw.clear();
    },
  };
}

/** For how long bytes must have been counted before their speed says something, in milliseconds. */
const SAMPLE_MS = 1_000;

/** Returns a function that says how fast bytes come, such as `3.1 MB/s`. It is empty at first, and when the count begins anew. */
export function createSpeed(): (bytes: number) => string {
  let first = { at: performance.now(), bytes: 0 };
  let last = 0;
  return (bytes) => {
    const now = performance.now();
    if (bytes < last) first = { at: now, bytes };
    last = bytes;
    const elapsed = now - first.at;
    return elapsed < SAMPLE_MS ? '' : `${sizeText(((bytes - first.bytes) / elapsed) * 1_000)}/s`;
  };
}
