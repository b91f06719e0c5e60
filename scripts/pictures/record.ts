import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { type Line, TerminalScreen } from './screen.ts';

/** What a terminal shows from a moment on. */
export interface Frame {
  /** Milliseconds since the start. */
  readonly at: number;
  readonly lines: readonly Line[];
}

const COLUMNS = 100;
/** The shortest time that a frame is shown, in milliseconds. */
const FRAME_MS = 150;

/**
 * Runs a command of the command line in a pseudo-terminal and records what the terminal shows.
 * @throws {Error} if the command fails
 */
export async function recordCommand(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<Frame[]> {
  const screen = new TerminalScreen();
  screen.write(`\x1b[32m$\x1b[39m tenantry ${argv.join(' ')}\r\n`);
  const frames: Frame[] = [{ at: 0, lines: screen.lines() }];
  const words = [process.execPath, 'src/cli.ts', ...argv].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols ${COLUMNS} rows 40; exec ${words}`, '/dev/null'], {
    cwd: path.join(import.meta.dirname, '../..'),
    env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const start = performance.now();
  let pending: NodeJS.Timeout | undefined;
  const take = () => {
    pending = undefined;
    frames.push({ at: performance.now() - start, lines: screen.lines() });
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen.write(text);
    pending ??= setTimeout(take, FRAME_MS);
  });
  const [code] = await once(child, 'close');
  clearTimeout(pending);
  take();
  if (code !== 0) throw new Error(`tenantry ${argv.join(' ')} ended with ${code}`);
  return frames;
}
