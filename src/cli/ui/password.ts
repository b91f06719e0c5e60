import { text } from 'node:stream/consumers';
import { AppError } from '../../lib/errors.ts';
import { withPrompt } from './prompt.ts';
import type { Terminal } from './terminal.ts';

/**
 * Reads a new password. On a terminal, it is asked for twice and not shown; otherwise it is read from standard input.
 * @throws {AppError} BAD_USER_INPUT if the two inputs differ
 * @throws {DOMException} an AbortError after Ctrl-C
 */
export async function readNewPassword(terminal: Terminal): Promise<string> {
  if (!terminal.stdin.isTTY) return (await text(terminal.stdin)).replace(/\r?\n$/, '');
  return withPrompt(terminal, true, async (ask) => {
    const password = await ask('Password (at least 12 characters): ');
    if ((await ask('Repeat the password: ')) === password) return password;
    throw new AppError('BAD_USER_INPUT', 'The passwords do not match');
  });
}
