import { styleText } from 'node:util';
import { hasColour, type Screen, type Terminal } from './terminal.ts';

/** Prints the results of checks, and counts problems and warnings. */
export class Checklist {
  readonly #screen: Screen;
  readonly #colour: boolean;
  /** The number of problems. */
  problems = 0;
  /** The number of warnings: things that may be wrong. */
  doubts = 0;

  constructor(terminal: Terminal) {
    this.#screen = terminal.stdout;
    this.#colour = hasColour(terminal, terminal.stdout);
  }

  good(text: string): void {
    this.#screen.write(`${this.#paint('green', '✓')} ${text}\n`);
  }

  /** @param remedy how to fix it */
  bad(text: string, remedy: string): void {
    this.problems += 1;
    this.#screen.write(`${this.#paint('red', '✗')} ${text}\n    ${remedy.replaceAll('\n', '\n    ')}\n`);
  }

  /** Something that may be wrong or may be intended. */
  doubt(text: string): void {
    this.doubts += 1;
    this.#screen.write(`${this.#paint('yellow', '!')} ${text}\n`);
  }

  #paint(colour: 'green' | 'yellow' | 'red', text: string): string {
    return this.#colour ? styleText(colour, text, { validateStream: false }) : text;
  }
}

const OLDEST_NODE = 24;

/** Checks the version of Node. */
export function checkNode(list: Checklist): void {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= OLDEST_NODE) list.good(`Node ${node}`);
  else
    list.bad(
      `Node ${node} is too old`,
      `Node ${OLDEST_NODE} or newer is required. npm ci installs one, which npm run uses.`,
    );
}
