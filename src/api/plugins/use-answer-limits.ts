import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { RequestContext } from '../request-context.ts';

/**
 * Answers with the refusal alone where an answer has become too large. From the moment that a limit is passed no field is
 * resolved any more, since each asks `AnswerSize.refusal` first.
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
