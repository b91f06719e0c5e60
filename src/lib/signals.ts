/** Within this time a signal that npm may have passed on is the one that was here already, in milliseconds. */
const ECHO_MS = 1_000;

/** What is told of a signal that has come. */
export interface ReceivedSignal {
  readonly name: NodeJS.Signals;
  /** Whether one came before: whoever sends it does not want to wait. */
  readonly isRepeated: boolean;
}

/** Signals that are heard; disposing of it gives them back their usual effect. */
export interface Signals extends Disposable {
  /** Whether one has come. */
  readonly received: boolean;
}

/**
 * Calls back at each of these signals, instead of letting it end the process. npm passes on to its script what a terminal has
 * sent to both, so that a script's signal comes twice, and counts once.
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
