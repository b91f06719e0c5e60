/** Under npm, a second signal within this time counts as a repetition of the first one by npm. In milliseconds. */
const ECHO_MS = 1_000;

/** A signal that was received. */
export interface ReceivedSignal {
  readonly name: NodeJS.Signals;
  /** Whether another one came before: the sender does not want to wait any longer. */
  readonly isRepeated: boolean;
}

/** Handled signals. Disposing of it restores their default effect. */
export interface Signals extends Disposable {
  /** Whether a signal was received. */
  readonly received: boolean;
}

/**
 * Calls back on each of these signals, instead of letting it end the process. npm forwards signals to its script, so a
 * signal from a terminal arrives twice; it counts once.
 */
export function onSignals(
  names: readonly NodeJS.Signals[],
  env: Readonly<Record<string, string | undefined>>,
  callback: (signal: ReceivedSignal) => void,
): Signals {
  const echoMs = env.npm_lifecycle_event === undefined ? 0 : ECHO_MS;
  let receivedAt: number | undefined;
  const handle = (name: NodeJS.Signals) => {
    const now = performance.now();
    if (receivedAt !== undefined && now - receivedAt < echoMs) return;
    const isRepeated = receivedAt !== undefined;
    receivedAt = now;
    callback({ name, isRepeated });
  };
  for (const name of names) process.on(name, handle);
  return {
    get received() {
      return receivedAt !== undefined;
    },
    [Symbol.dispose]() {
      for (const name of names) process.off(name, handle);
    },
  };
}
