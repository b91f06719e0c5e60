import { onSignals } from '../../../lib/signals.ts';
import type { CommandContext } from '../../ui/terminal.ts';

/** A signal that Ctrl-C and SIGTERM abort. Disposing of it restores their default effect. */
export function abortedBySignals({ env }: Pick<CommandContext, 'env'>): Disposable & { readonly signal: AbortSignal } {
  const stop = new AbortController();
  const signals = onSignals(['SIGINT', 'SIGTERM'], env, ({ isRepeated }) => {
    if (isRepeated) process.exit(130);
    // Its error has the name AbortError, with which a command ends as interrupted.
    stop.abort();
  });
  return { signal: stop.signal, [Symbol.dispose]: () => signals[Symbol.dispose]() };
}
