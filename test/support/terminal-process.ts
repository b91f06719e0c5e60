import { spawn } from 'node:child_process';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { childEnv } from './child-env.ts';
import { eventually } from './eventually.ts';
import { programs } from './product.ts';

/** Whether {@link startInTerminal} works here: it needs the `script` of util-linux. */
export const hasTerminals = process.platform === 'linux';

/** A command that runs in a terminal of its own. */
export interface TerminalProcess {
  /** What it has written so far, with what controls the terminal. */
  raw(): string;
  /** Presses keys; Ctrl-C is `\x03`. */
  type(keys: string): void;
  /** Waits until it has written a text. */
  shows(text: string): Promise<void>;
  /** Its exit status. */
  readonly ended: Promise<number | null>;
}

/** Starts the command line in a pseudo-terminal of this width, with these variables and no others of ours. */
export function startInTerminal(
  argv: readonly string[],
  env: Record<string, string>,
  columns: number,
): TerminalProcess {
  const command = [process.execPath, path.resolve(programs.cli), ...argv].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols ${columns} rows 30; exec ${command}`, '/dev/null'], {
    env: { ...childEnv, TERM: 'xterm', SHELL: '/bin/sh', ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  return {
    raw: () => output,
    type: (keys) => child.stdin.write(keys),
    async shows(text) {
      const shown = () => stripVTControlCharacters(output).includes(text);
      await eventually(`the terminal shows ${text}`, async () => {
        if (shown()) return true;
        if (child.exitCode !== null) throw new Error(`It ended without showing ${text}:\n${output}`);
        return false;
      });
    },
    ended,
  };
}
