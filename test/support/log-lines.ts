import { type Logger, pino } from 'pino';

/** A log at its most talkative, and all that has been written to it. */
export function captureLog(): { readonly log: Logger; text(): string } {
  const lines: string[] = [];
  return { log: pino({ level: 'trace' }, { write: (line) => lines.push(line) }), text: () => lines.join('') };
}
