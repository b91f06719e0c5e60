import { styleText } from 'node:util';
import { hasColour, type Screen, type Terminal } from './terminal.ts';

/** Tells one finding after the other, and counts those that are not good. */
export class Checklist {
  readonly #screen: Screen;
  readonly #colour: boolean;
  /** How many things are wrong. */
  problems = 0;
  /** How many may be. */
  doubts = 0;

  constructor(terminal: Terminal) {
    this.#screen = terminal.stdout;
    this.#colour = hasColour(terminal, terminal.stdout);
  }

  good(text: string): void {
    this.#screen.write(`${this.#paint('green', '✓')} ${text}\n`);
  }

  /** @param remedy what to do about it */
  bad(text: string, remedy: string): void {
    this.problems += 1;
    this.#screen.write(`${this.#paint('red', '✗')} ${text}\n    ${remedy.replaceAll('\n', '\n    ')}\n`);
  }

  /** What may be wrong, or may be meant so. */
  doubt(text: string): void {
    this.doubts += 1;
    this.#screen.write(`${this.#paint('yellow', '!')} ${text}\n`);
  }

  #paint(colour: 'green' | 'yellow' | 'red', text: string): string {
    return this.#colour ? styleText(colour, text, { validateStream: false }) : text;
  }
}

const OLDEST_NODE = 24;

/** Says whether this Node can run the program. */
export function checkNode(list: Checklist): void {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= OLDEST_NODE) list.good(`Node ${node}`);
  else
    list.bad(
      `Node ${node} is too old`,
      `Node ${OLDEST_NODE} or newer is needed. npm ci installs one, which npm run uses.`,
    );
}
