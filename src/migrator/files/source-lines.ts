/** Finds the lines of a migration's statements in its file, in the order in which the migration adds them. */
export class SourceLines {
  readonly #source: string;
  #from: number;

  constructor(source: string, direction: 'up' | 'down') {
    // JavaScript reads the line ends of a text of several lines as \n, whatever the file's.
    this.#source = source.replaceAll('\r\n', '\n');
    this.#from = Math.max(0, this.#source.search(direction === 'up' ? /\bup\s*\(/ : /\bdown\s*\(/));
  }

  /**
   * Returns where the next text starts that was passed to `addSql()`.
   * @returns undefined if the file does not hold it literally, for example because the migration computes it
   */
  next(text: string): TextPosition | undefined {
    for (const written of new Set([text, JSON.stringify(text).slice(1, -1)])) {
      const at = findQuoted(this.#source, written, this.#from);
      if (at < 0) continue;
      this.#from = at + written.length;
      // Escaped line breaks are none in the file, so positions behind them would get wrong lines.
      if (written !== text && text.includes('\n')) return undefined;
      return new TextPosition(countLines(this.#source.slice(0, at)), text);
    }
    return undefined;
  }
}

/** Where a text stands in a file. */
class TextPosition {
  readonly #line: number;
  readonly #text: string;

  constructor(line: number, text: string) {
    this.#line = line;
    this.#text = text;
  }

  /** Returns the line in the file, from 1, of a position in the text. */
  lineAt(offset: number): number {
    return this.#line + countLines(this.#text.slice(0, offset)) - 1;
  }
}

function findQuoted(source: string, written: string, from: number): number {
  if (written === '') return -1;
  for (let at = source.indexOf(written, from); at >= 0; at = source.indexOf(written, at + 1)) {
    const quote = source.charAt(at - 1);
    if (quote !== '' && '\'"`'.includes(quote) && source.charAt(at + written.length) === quote) return at;
  }
  return -1;
}

function countLines(text: string): number {
  return text.split('\n').length;
}
