import { createLogUpdate } from 'log-update';
import type { Screen } from './terminal.ts';

/** The size of a terminal that does not say it, as some do in which programs run commands. */
const UNKNOWN_SIZE = { columns: 80, rows: 24 } as const;

/** The width of a screen, in columns. */
export function columnsOf({ columns }: Screen): number {
  // A terminal whose size nobody has set has zero columns.
  return columns || UNKNOWN_SIZE.columns;
}

/** Returns a function that redraws the last lines of a terminal. */
export function createDraw(screen: Screen): ReturnType<typeof createLogUpdate> {
  const sized = new Proxy(screen, {
    get(target, name) {
      if (name === 'columns') return columnsOf(target);
      if (name === 'rows') return target.rows || UNKNOWN_SIZE.rows;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return createLogUpdate(sized, { showCursor: true });
}
