/** Within this time a signal that npm may have passed on is the one that was here already, in milliseconds. */
const ECHO_MS = 1_000;

/** What is told of a signal that has come. */
export interface Signalled {
  readonly name: NodeJS.Signals;
  /** Whether one came before: whoever sends it does not want to wait. */
  readonly isRepeated: boolean;
}

/** Signals that are heard; disposing of it gives them back their usual effect. */
export interface Signals extends Disposable {
  /** Whether one has come. */
  readonly came: boolean;
}

/**
 * Calls back at each of these signals, instead of letting it end the process. npm passes on to its script what a terminal has
 * sent to both, so that a script's signal comes twice, and counts once.
 */
export function onSignals(
  names: readonly NodeJS.Signals[],
  env: Readonly<Record<string, string | undefined>>,
  callback: (signal: Signalled) => void,
): Signals {
  const echoMs = env.npm_lifecycle_event === undefined ? 0 : ECHO_MS;
  let cameAt: number | undefined;
  const handle = (name: NodeJS.Signals) => {
    const now = performance.now();
    if (cameAt !== undefined && now - cameAt < echoMs) return;
    const isRepeated = cameAt !== undefined;
    cameAt = now;
    callback({ name, isRepeated });
  };
  for (const name of names) process.on(name, handle);
  return {
    get came() {
      return cameAt !== undefined;
    },
    [Symbol.dispose]() {
      for (const name of names) process.off(name, handle);
    },
  };
}
