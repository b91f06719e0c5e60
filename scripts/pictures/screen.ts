/** A part of a line in one colour. */
export interface Span {
  readonly text: string;
  /** The number of an ANSI colour, such as 31 for red; undefined for the default. */
  readonly colour: number | undefined;
  readonly isBold: boolean;
}

/** A line of a terminal. */
export type Line = readonly Span[];

interface Cell {
  readonly char: string;
  readonly colour: number | undefined;
  readonly isBold: boolean;
}

const blank: Cell = { char: ' ', colour: undefined, isBold: false };
const ESCAPE = '\u001b';
/** A control sequence with its arguments and command, or a single character. */
const tokens = new RegExp(`${ESCAPE}\\[([\\d;?]*)([A-Za-z])|.`, 'gsu');

/** Interprets the control sequences that the command line uses, like a terminal without a line limit. */
export class TerminalScreen {
  readonly #rows: Cell[][] = [[]];
  #row = 0;
  #column = 0;
  #colour: number | undefined;
  #isBold = false;

  /** @throws {Error} for an unknown control sequence */
  write(text: string): void {
    for (const [part, args, command] of text.matchAll(tokens)) {
      if (command !== undefined) this.#control(args ?? '', command);
      else if (part === '\r') this.#column = 0;
      else if (part === '\n') this.#moveTo(this.#row + 1);
      else this.#put(part);
    }
  }

  /** The lines that are shown now. */
  lines(): Line[] {
    return this.#rows.map(spansOf);
  }

  #control(args: string, command: string): void {
    const count = Number(args || 1);
    if (command === 'A') this.#moveTo(this.#row - count);
    else if (command === 'B') this.#moveTo(this.#row + count);
    else if (command === 'G') this.#column = count - 1;
    else if (command === 'K') this.#current.length = args === '2' ? 0 : this.#column;
    else if (command === 'J') {
      this.#rows.length = this.#row + 1;
      this.#current.length = this.#column;
    } else if (command === 'm') this.#style(args);
    else if (command !== 'h' && command !== 'l') throw new Error(`Unknown control sequence [${args}${command}`);
  }

  #style(args: string): void {
    for (const code of args.split(';').map(Number)) {
      if (code === 0 || code === 39) this.#colour = undefined;
      if (code === 0 || code === 22) this.#isBold = false;
      if (code === 1) this.#isBold = true;
      if (code >= 30 && code <= 37) this.#colour = code;
      if (code >= 90 && code <= 97) this.#colour = code;
    }
  }

  get #current(): Cell[] {
    this.#rows[this.#row] ??= [];
    return this.#rows[this.#row] ?? [];
  }

  #moveTo(row: number): void {
    this.#row = Math.max(row, 0);
    while (this.#rows.length <= this.#row) this.#rows.push([]);
  }

  #put(char: string): void {
    const row = this.#current;
    while (row.length < this.#column) row.push(blank);
    row[this.#column] = { char, colour: this.#colour, isBold: this.#isBold };
    this.#column += 1;
  }
}

function spansOf(row: readonly Cell[]): Line {
  const spans: { text: string; colour: number | undefined; isBold: boolean }[] = [];
  for (const { char, colour, isBold } of row) {
    const last = spans.at(-1);
    if (last && last.colour === colour && last.isBold === isBold) last.text += char;
    else spans.push({ text: char, colour, isBold });
  }
  return spans;
}
