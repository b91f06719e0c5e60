import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Terminal } from './terminal.ts';

/** Asks a question and returns the line that the user types. */
export type Ask = (question: string) => Promise<string>;

/**
 * Asks questions on a terminal.
 * @param isSecret whether to hide what the user types
 * @throws {DOMException} an AbortError after Ctrl-C or Ctrl-D
 */
export async function withPrompt<T>(
  { stdin, stderr }: Terminal,
  isSecret: boolean,
  work: (ask: Ask) => Promise<T>,
): Promise<T> {
  // readline echoes what the user types to its output.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: stdin, output: isSecret ? nowhere : stderr, terminal: true });
  const lines = reader[Symbol.asyncIterator]();
  try {
    return await work(async (question) => {
      reader.setPrompt(question);
      if (isSecret) stderr.write(question);
      else reader.prompt();
      const { value, done } = await lines.next();
      if (isSecret || done) stderr.write('\n');
      if (done) throw new DOMException('The prompt was cancelled', 'AbortError');
      return value;
    });
  } finally {
    reader.close();
  }
}
