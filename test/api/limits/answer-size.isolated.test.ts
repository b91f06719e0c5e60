import { beforeAll, describe, expect, it } from 'vitest';
import { builder } from '../../../src/api/builder.ts';
import { buildTestSchema } from '../../support/product.ts';
import { useServer } from '../../support/use-server.ts';

let resolved = 0;

const Box = builder.objectRef<number>('Box').implement({
  fields: (t) => ({
    number: t.int({
      resolve: (number) => {
        resolved += 1;
        return number;
      },
    }),
    text: t.string({
      args: { size: t.arg.int({ required: true }) },
      resolve: (_number, { size }) => {
        resolved += 1;
        return '€'.repeat(size / 3);
      },
    }),
    texts: t.stringList({ maxItems: 10, resolve: () => ['x'.repeat(400), 'x'.repeat(400)] }),
    boxes: t.field({
      type: ['Box'] as never,
      maxItems: 100,
      nullable: true,
      resolve: async () => Array.from({ length: 100 }, (_, index) => index),
    }),
  }),
});

builder.queryFields((t) => ({
  boxes: t.field({
    type: [Box],
    maxItems: 10,
    args: { count: t.arg.int({ required: true }) },
    authScopes: { anyone: true },
    resolve: (_root, { count }) => Array.from({ length: count }, (_, index) => index),
  }),
}));

builder.mutationField('fill', (t) => t.field({ type: Box, authScopes: { anyone: true }, resolve: () => 1 }));

builder.subscriptionField('boxEvents', (t) =>
  t.field({
    type: Box,
    authScopes: { anyone: true },
    subscribe: async function* () {
      for (const event of [1, 2, 3]) yield event;
    },
    resolve: (event) => event,
  }),
);

describe('an answer', async () => {
  const limits = { MAX_ANSWER_OBJECTS: '150', MAX_ANSWER_BYTES: '2000', MAX_QUERY_COST: '1000000' };
  const used = useServer(limits, { schema: await buildTestSchema() });
  beforeAll(() => {
    resolved = 0;
  });

  it.each([
    ['objects', '{ boxes(count: 2) { boxes { number } } }', /limit of 150 objects, which was reached at boxes\.boxes/],
    ['bytes of texts', '{ boxes(count: 10) { text(size: 900) } }', /limit of 2000 bytes/],
    ['bytes of texts in lists', '{ boxes(count: 3) { texts } }', /limit of 2000 bytes/],
    [
      'bytes of names',
      `{ boxes(count: 10) { ${'a'.repeat(99)}: number ${'b'.repeat(99)}: number } }`,
      /limit of 2000 bytes/,
    ],
  ])('that would have too many %s is refused whole', async (_name, query, message) => {
    const { body, code } = await used.server.post({ query });
    expect(body.data).toBeUndefined();
    expect(body.errors).toHaveLength(1);
    expect(body.errors?.[0]?.message).toMatch(message);
    expect(code).toBe('BAD_USER_INPUT');
  });

  it('that is refused has no resolver run any more', async () => {
    resolved = 0;
    const { body } = await used.server.post({
      query: '{ boxes(count: 10) { a: text(size: 900) b: text(size: 900) } }',
    });
    expect(body.errors).toHaveLength(1);
    expect(resolved).toBe(3);
  });

  it('within the limits is answered', async () => {
    const { body } = await used.server.post({ query: '{ boxes(count: 1) { boxes { __typename } } }' });
    expect(body.errors).toBeUndefined();
  });

  it('to a mutation says that it has been carried out', async () => {
    const { body } = await used.server.post({ query: 'mutation { fill { text(size: 3000) } }' });
    expect(body.errors?.[0]?.message).toMatch(/Mutations before that point have been carried out/);
  });

  it('is counted separately for each event of a subscription, and an event that is too large ends no subscription', async () => {
    const events: unknown[] = [];
    for await (const event of used.server.subscribe('subscription { boxEvents { number text(size: 1500) } }')) {
      events.push(event);
    }
    expect(events).toHaveLength(3);
    for (const event of events) expect(event).toMatchObject({ data: { boxEvents: { text: '€'.repeat(500) } } });
    const refused: unknown[] = [];
    for await (const event of used.server.subscribe('subscription { boxEvents { text(size: 3000) } }'))
      refused.push(event);
    expect(refused).toHaveLength(3);
    for (const event of refused) {
      expect(event).toEqual({
        errors: [expect.objectContaining({ extensions: expect.objectContaining({ code: 'BAD_USER_INPUT' }) })],
      });
    }
  });

  it('has no list that is longer than it says', async () => {
    const { body, code } = await used.server.post({ query: '{ boxes(count: 11) { number } }' });
    expect(code).toBe('BAD_USER_INPUT');
    expect(body.errors?.[0]?.message).toMatch(/^Query\.boxes has 11 items; the limit is 10/);
  });
});
