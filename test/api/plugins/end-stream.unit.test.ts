import { getEventListeners } from 'node:events';
import { GraphQLError } from 'graphql';
import { expect, it } from 'vitest';
import { endAt } from '../../../src/api/plugins/end-stream.ts';

it('keeps nothing at a signal that outlives the events, whether there are many or they have ended', async () => {
  const { signal } = new AbortController();
  async function* three() {
    for (const count of [1, 2, 3]) yield { data: { count } };
  }
  const seen: unknown[] = [];
  for await (const { data } of endAt(signal, three(), () => new GraphQLError('over'))) {
    seen.push(data);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  }
  expect(seen).toEqual([{ count: 1 }, { count: 2 }, { count: 3 }]);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
