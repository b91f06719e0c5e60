import { onSignals } from '../../../lib/signals.ts';
import { type CommandContext, exitCode } from '../../ui/terminal.ts';

/**
 * Runs work with a signal that Ctrl-C and SIGTERM abort.
 * @param meaning what is true if the work fails because of it, for the user
 */
export async function interruptible<T>(
  { env, stderr }: Pick<CommandContext, 'env' | 'stderr'>,
  meaning: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  using _signals = onSignals(['SIGINT', 'SIGTERM'], env, ({ isRepeated }) => {
    if (isRepeated) process.exit(exitCode.interrupted);
    // Its error has the name AbortError, with which a command ends as interrupted.
    stop.abort();
  });
  try {
    return await work(stop.signal);
  } catch (error) {
    if (stop.signal.aborted) stderr.write(`${meaning}\n`);
    throw error;
  }
}
