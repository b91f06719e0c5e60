import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { RequestContext } from '../request-context.ts';

/**
 * Replaces a response that exceeds a limit with the error alone. Once a limit is exceeded, no further fields are
 * resolved: each field checks `AnswerSize.refusal` first.
 */
export function useAnswerLimits(): Plugin<RequestContext> {
  return {
    onExecute: ({ args: { contextValue } }) => ({
      onExecuteDone({ result, setResult }) {
        const { refusal } = contextValue.answer;
        if (refusal && !isAsyncIterable(result)) setResult({ errors: [refusal] });
      },
    }),
    onSubscribe: ({ args: { contextValue } }) => ({
      onSubscribeResult: () => ({
        onNext({ setResult }) {
          const { refusal } = contextValue.answer;
          if (refusal) setResult({ errors: [refusal] });
          contextValue.answer.reset();
        },
      }),
    }),
  };
}
