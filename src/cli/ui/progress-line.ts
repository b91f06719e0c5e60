import { createLogUpdate } from 'log-update';
import { isLive, oneLine, type Screen, type Terminal } from './terminal.ts';

/** Shows how far a long work is. Disposing of it removes what can be removed. */
export interface ProgressLine extends Disposable {
  show(text: string): void;
}

/** The interval between redraws of a terminal, in milliseconds. */
const DRAW_MS = 100;
/** The interval between lines where nothing can be redrawn, in milliseconds. */
const LINE_MS = 10_000;

/** Creates a line that is redrawn on a terminal, otherwise one that is written from time to time. */
export function createProgressLine(terminal: Pick<Terminal, 'env'>, screen: Screen): ProgressLine {
  const live = isLive(terminal, screen) ? createLogUpdate(screen, { showCursor: true }) : undefined;
  let shownAt = live ? Number.NEGATIVE_INFINITY : performance.now();
  return {
    show(text) {
      const now = performance.now();
      if (now - shownAt < (live ? DRAW_MS : LINE_MS)) return;
      shownAt = now;
      if (live) live(oneLine(text));
      else screen.write(`${oneLine(text)}\n`);
    },
    [Symbol.dispose]() {
      live?.clear();
    },
  };
}

/** Writes a number of bytes for people. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** power).toFixed(1)} ${['', 'kB', 'MB', 'GB', 'TB'][power]}`;
}
