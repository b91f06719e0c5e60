import type { ExecutionResult, GraphQLError } from 'graphql';

/**
 * Ends a subscription's events when a signal comes: the last one is an error that says why. It does not wait for the events
 * to end, since a source may not heed its context's signal.
 * @param ended called once, when the events have ended for whatever reason
 */
export function endAt(
  signal: AbortSignal,
  results: AsyncIterable<ExecutionResult>,
  reason: () => GraphQLError,
  ended: () => void = () => undefined,
): AsyncIterableIterator<ExecutionResult> {
  const source = results[Symbol.asyncIterator]();
  let isOver = false;
  const finish = () => {
    if (!isOver) ended();
    isOver = true;
  };
  const end = async (): Promise<IteratorResult<ExecutionResult>> => {
    finish();
    await source.return?.();
    return { done: true, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (isOver) return { done: true, value: undefined };
      const next = await unlessAborted(signal, () => source.next());
      if (next?.done && !signal.aborted) finish();
      if (next && !(next.done && signal.aborted)) return next;
      // The stream is over for the client, however its source ends.
      end().catch(() => undefined);
      return { done: false, value: { errors: [reason()] } };
    },
    return: end,
  };
}

/** Undefined if the signal comes first. Nothing is kept of it afterwards: signal and events may both go on for days. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
  const { promise: signalled, resolve } = Promise.withResolvers<undefined>();
  const hear = () => resolve(undefined);
  if (signal.aborted) hear();
  else signal.addEventListener('abort', hear);
  try {
    return await Promise.race([work(), signalled]);
  } finally {
    signal.removeEventListener('abort', hear);
  }
}
