import { AppError } from '../../lib/errors.ts';
import { replaceHidden } from '../../lib/input.ts';

/** The longest text of an archive that a message repeats, in characters. */
const MAX_QUOTED = 100;

/**
 * Creates the error for an archive that is not imported.
 * @param problem the end of a sentence that starts with "The archive"
 */
export function refused(problem: string, cause?: unknown): AppError {
  return new AppError('BAD_USER_INPUT', `Nothing was imported: the archive ${problem}.`, {
    cause,
    details: { field: 'file' },
  });
}

/** Quotes a text of an archive for a message. */
export function quoted(text: string): string {
  const plain = replaceHidden(text, '?');
  return JSON.stringify(plain.length > MAX_QUOTED ? `${plain.slice(0, MAX_QUOTED)}…` : plain);
}
