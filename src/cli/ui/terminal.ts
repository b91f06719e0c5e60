import type { Command } from 'commander';
import type { LoadProduct } from '../../installation/product.ts';
import { replaceHidden } from '../../lib/input.ts';

/** A stream that commands write to; it may be a terminal. */
export type Screen = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** The environment and the streams of a command. Only `src/cli` prints. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names in the file `.env`. */
  readonly fileNames?: readonly string[];
  /** Only commands that document it read it. */
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** For results only. */
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Loads the product's modules. */
  readonly loadProduct: LoadProduct;
}

/** The context that commands run in. */
export interface CommandContext extends Terminal {
  /** Whether to show the log, the duration of statements and the stack of errors. Known once a command runs. */
  readonly verbose: boolean;
  /** The running command. */
  readonly command: Command;
}

/** The exit statuses of commands. */
export const exitCode = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Ends a command with a status other than 0, without another message. */
export class CommandExit extends Error {
  override readonly name = 'CommandExit';
  readonly code: number;

  constructor(code: number) {
    super(`ends with ${code}`);
    this.code = code;
  }
}

/** Whether a stream is a terminal that can be redrawn. `NO_COLOR` only turns off colours. */
export function isLive({ env }: Pick<Terminal, 'env'>, screen: Screen): boolean {
  return screen.isTTY === true && env.TERM !== 'dumb';
}

/** Whether to use colours on a stream. @see https://no-color.org */
export function hasColour(terminal: Pick<Terminal, 'env'>, screen: Screen): boolean {
  return isLive(terminal, screen) && !terminal.env.NO_COLOR;
}

/** Writes a value as JSON. */
export function writeJson(screen: Screen, value: unknown): void {
  screen.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Puts an untrusted text on one line and removes characters that control a terminal. */
export function oneLine(text: string): string {
  return replaceHidden(text, ' ').trim();
}
