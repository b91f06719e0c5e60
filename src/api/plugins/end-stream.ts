import type { ExecutionResult, GraphQLError } from 'graphql';

/**
 * Ends the events of a subscription when a signal is aborted, with an error as the last event that gives the reason. It
 * does not wait for the source to end, because a source may ignore its context's signal.
 * @param ended called once, when the events have ended for any reason
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
      // The stream has ended for the client, however its source ends.
      end().catch(() => undefined);
      return { done: false, value: { errors: [reason()] } };
    },
    return: end,
  };
}

/**
 * Returns undefined if the signal is aborted first. It leaves no listener behind, because both the signal and the
 * events may live for days.
 */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
  const { promise: signalled, resolve } = Promise.withResolvers<undefined>();
  const onAbort = () => resolve(undefined);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([work(), signalled]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
