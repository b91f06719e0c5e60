import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { AppError } from '../errors.ts';
import type { Terminal } from './terminal.ts';

/**
 * Reads a new password: at a terminal it is asked for twice and not shown, else it is what standard input holds.
 * @throws {AppError} BAD_USER_INPUT if the two differ
 * @throws {DOMException} an AbortError after Ctrl-C
 */
export async function readNewPassword({ stdin, stderr }: Terminal): Promise<string> {
  if (!stdin.isTTY) return (await text(stdin)).replace(/\r?\n$/, '');
  // A terminal shows what is typed because readline writes it back.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: stdin, output, terminal: true });
  const lines = reader[Symbol.asyncIterator]();
  const ask = async (prompt: string): Promise<string> => {
    stderr.write(prompt);
    const { value, done } = await lines.next();
    stderr.write('\n');
    if (done) throw new DOMException('Nothing was made', 'AbortError');
    return value;
  };
  try {
    const password = await ask('Password (at least 12 characters): ');
    if ((await ask('The same again: ')) === password) return password;
    throw new AppError('BAD_USER_INPUT', 'The two passwords differ');
  } finally {
    reader.close();
  }
}
