import { describe, expect, it } from 'vitest';
import { builder } from '../../../src/api/builder.ts';
import { eventually } from '../../support/eventually.ts';
import { buildTestSchema } from '../../support/product.ts';
import { useServer } from '../../support/use-server.ts';

let ended = 0;
builder.subscriptionFields((t) => ({
  heeding: t.string({
    authScopes: { anyone: true },
    async *subscribe(_root, _args, { signal }) {
      yield 'one';
      await new Promise<void>((resolve) => signal().addEventListener('abort', () => resolve()));
      ended += 1;
    },
    resolve: String,
  }),
  deaf: t.string({
    authScopes: { anyone: true },
    async *subscribe() {
      yield 'one';
      await new Promise<void>(() => {});
    },
    resolve: String,
  }),
}));

describe('a subscription', async () => {
  const used = useServer({}, { schema: await buildTestSchema() });

  it.each(['heeding', 'deaf'])('ends, and says why, when its token expires: %s', async (field) => {
    const token = await used.app.services.tokens.issue({ subject: 'somebody', expiresIn: '2s' });
    const { text } = await used.server.post(
      { query: `subscription { ${field} }` },
      { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    );
    // The answer has been read to its end, which comes only if the server ends it.
    expect(text).toContain(`{"data":{"${field}":"one"}}`);
    expect(text).toContain('The token has expired. Subscribe again with a new one.');
    expect(text).toContain('"code":"UNAUTHENTICATED"');
    expect(text).toContain('event: complete');
  });

  it('tells its source, which may wait, that it is over', async () => {
    await eventually('the source has ended', async () => ended === 1);
  });
});
