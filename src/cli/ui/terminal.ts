import type { Command } from 'commander';
import type { LoadProduct } from '../../installation/product.ts';
import { replaceHidden } from '../../lib/input.ts';

/** A stream that commands write to; it may be a terminal. */
export type Screen = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** What a command reads and writes. Only `src/cli` prints. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Names in the file of settings. */
  readonly fileNames?: readonly string[];
  /** Read only by commands that say so. */
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Results, and nothing else. */
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Loads what is built on the platform. */
  readonly loadProduct: LoadProduct;
}

/** What commands are given. */
export interface CommandContext extends Terminal {
  /** Whether everything is to be told: stacks, the log, and how long statements took. Known when a command runs. */
  readonly verbose: boolean;
  /** The command that runs. */
  readonly command: Command;
}

/** How a command ends, as the shell sees it. */
export const exitCode = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Ends a command with a status other than 0, when all has been said. */
export class CommandExit extends Error {
  override readonly name = 'CommandExit';
  readonly code: number;

  constructor(code: number) {
    super(`ends with ${code}`);
    this.code = code;
  }
}

/** Whether a stream shows colours and may be drawn on again; `NO_COLOR` forbids colours only. */
export function isLive({ env }: Pick<Terminal, 'env'>, screen: Screen): boolean {
  return screen.isTTY === true && env.TERM !== 'dumb';
}

/** Whether texts on this stream may be coloured. @see https://no-color.org */
export function hasColour(terminal: Pick<Terminal, 'env'>, screen: Screen): boolean {
  return isLive(terminal, screen) && !terminal.env.NO_COLOR;
}

/** Writes a value as JSON. */
export function writeJson(screen: Screen, value: unknown): void {
  screen.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** A text from elsewhere on one line, without characters that a terminal obeys. */
export function oneLine(text: string): string {
  return replaceHidden(text, ' ').trim();
}
