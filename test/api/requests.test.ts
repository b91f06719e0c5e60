import { describe, expect, it } from 'vitest';
import { useServer } from '../support/use-server.ts';

describe('a request', () => {
  const used = useServer({ DEFAULT_ISOLATION: 'schema' });

  it('may have members that only its client knows', async () => {
    const body = { query: '{ currencies { code } }', operationType: 'query', id: 'abc', apollo: { nested: [1] } };
    expect(await used.server.post(body)).toMatchObject({ status: 200, code: undefined });
  });

  it.each(['[]', '1', 'null', '"text"', '{}'])('without a document is refused: %s', async (body) => {
    const headers = { 'content-type': 'application/json' };
    expect((await used.server.send({ method: 'POST', headers, body })).code).toBe('BAD_USER_INPUT');
  });

  it.each(['{ ... @defer { server { name } } }', '{ currencies @stream(initialCount: 1) { code } }'])(
    'for a result in parts is refused with the reason: %s',
    async (query) => {
      for (const accept of ['application/json', 'multipart/mixed, application/json']) {
        const { body, code } = await used.server.post({ query }, { accept });
        expect(code).toBe('BAD_USER_INPUT');
        expect(body.errors?.map(({ message }) => message)).toEqual([
          'The server sends results in one piece: remove @defer and @stream. Send what is slow as an operation of its own.',
        ]);
      }
    },
  );

  it('for a stream is answered so that proxies do not collect its events', async () => {
    const { data } = await used.app.ask('mutation { runMigrations(input: {}) { id } }', used.app.admin);
    const [run] = /[0-9a-f-]{36}/.exec(JSON.stringify(data)) ?? [];
    const query = `subscription { migrationProgress(run: "${run}") { seq } }`;
    const { headers } = await used.server.post({ query }, { ...used.app.admin, accept: 'text/event-stream' });
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    const answer = await used.server.post({ query: '{ currencies { code } }' });
    expect(answer.headers).not.toHaveProperty('x-accel-buffering');
  });
});
