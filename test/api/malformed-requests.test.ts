import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { listen } from '../support/listen.ts';
import { startTestApp } from '../support/start-app.ts';
import { useServer } from '../support/use-server.ts';

describe('a request that is hardly one', () => {
  const used = useServer();

  /** Sends bytes as they stand, which Node's client would not let through. */
  function raw(path: string, host: string): Promise<string> {
    const socket = connect(used.server.port, '127.0.0.1');
    socket.end(`GET ${path} HTTP/1.1\r\n${host}\r\nconnection: close\r\n\r\n`);
    return text(socket);
  }

  it.each([
    'a b',
    '%',
    'x:999999',
    'x:y',
    'a/b',
    'a?b',
    'a#b',
    'user@a',
    'a\\b',
    '[::1',
    '<script>',
    'a^b',
    '%00',
    'a'.repeat(300),
  ])('is refused for the host %j, on every path', async (host) => {
    for (const path of ['/graphql', '/health/live', '/health/ready', '/']) {
      const answer = await raw(path, `host: ${host}`);
      expect(answer, path).toMatch(/^HTTP\/1.1 400 /);
      expect(answer, path).toContain('"code":"BAD_USER_INPUT"');
      expect(answer, path).not.toMatch(/\.js|\.ts|node_modules|TypeError/);
    }
  });

  it.each(['http://x:999999/graphql', 'http://localhost/graphql', '*'])('is refused for the path %s', async (path) => {
    expect(await raw(path, 'host: localhost')).toMatch(/^HTTP\/1.1 400 /);
  });

  it.each(['/%', '/%00', '/graphql?query=%', '/graphql?%ff=%ff', '//', '//x:999999/', '/graphql?query={a}&query={b}'])(
    'is answered without a trace of ours for the path %s',
    async (path) => {
      const answer = await raw(path, 'host: localhost');
      expect(answer).toMatch(/^HTTP\/1.1 [24]\d\d /);
      expect(answer).not.toMatch(/node_modules|file:|TypeError/);
    },
  );

  it.each(['localhost:', 'localhost.', '[::1]:4000', '127.0.0.1:1', 'a_b.example.com', ''])(
    'is none with the host %j',
    async (host) => {
      expect(await raw('/health/live', `host: ${host}`)).toMatch(/^HTTP\/1.1 200 /);
    },
  );
});

describe('the bare address', () => {
  it.each([
    ['leads to GraphiQL where it is on', 'true', { status: 302, location: '/graphql' }],
    ['is nothing where it is off', 'false', { status: 404, location: undefined }],
  ])('%s', async (_name, GRAPHIQL, expected) => {
    await using app = await startTestApp({ GRAPHIQL });
    await using server = await listen(app.yoga);
    const { status, headers } = await server.get('/', { accept: 'text/html' });
    expect({ status, location: headers.location }).toEqual(expected);
    expect((await server.post({ query: '{ server { name } }' })).status).toBe(200);
  });
});
