import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraphqlServer } from '../../src/api/server.ts';
import { loadConfig } from '../../src/config/config.ts';
import { type Listening, listen } from '../support/listen.ts';
import { buildTestSchema } from '../support/product.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

const MAX_BODY_BYTES = 40_000;
const json = { 'content-type': 'application/json' };
const server = '{ server { name } }';

/** What clients send: headers, and the bytes of a body. */
type Case = readonly [name: string, headers: Record<string, string>, body: string | Buffer];

const accepts: readonly Case[] = [
  '*/*',
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=latin1',
  'application/json;q=0.9',
  'application/graphql-response+json',
  'application/graphql-response+json; charset=utf-8, application/json; charset=utf-8',
  'application/json, application/graphql-response+json',
  'application/graphql-response+json,application/json;q=0.9',
  'application/json, text/plain, */*',
  '*/*, application/graphql-response+json',
  'text/html',
  'application/*',
  'APPLICATION/JSON',
  '',
  ', ,',
].flatMap((accept): Case[] =>
  [server, '{ nope }', '{', '{ viewer { user { id } } }'].map((query) => [
    `accept ${accept}: ${query}`,
    { ...json, accept },
    JSON.stringify({ query }),
  ]),
);

const streams: readonly Case[] = ['text/event-stream', 'multipart/mixed'].map((accept) => [
  `accept ${accept}`,
  { ...json, accept },
  JSON.stringify({ query: server }),
]);

const contentTypes: readonly Case[] = [
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=utf-8',
  'application/json; charset=latin1',
  'Application/JSON',
  'application/json, application/json',
  'application/json; application/x-www-form-urlencoded',
  'application/graphql+json',
  'application/graphql',
  'application/x-www-form-urlencoded',
  'text/plain',
  'multipart/form-data; boundary=x',
  '',
].map((type) => [`content-type ${type}`, { 'content-type': type }, JSON.stringify({ query: server })]);

const bodies: readonly Case[] = [
  '',
  '{',
  '[]',
  'null',
  '1',
  '"text"',
  '{}',
  '{"query":null}',
  '{"query":7}',
  '{"query":{}}',
  '{"query":{"toString":1}}',
  '{"query":""}',
  '{"query":"{ server { name } }","variables":null}',
  '{"query":"{ server { name } }","variables":[]}',
  '{"query":"{ server { name } }","variables":"x"}',
  '{"query":"{ server { name } }","variables":7}',
  '{"query":"{ server { name } }","extensions":[]}',
  '{"query":"{ server { name } }","operationName":7}',
  '{"query":"{ server { name } }","operationName":"A"}',
  '{"query":"query A { server { name } } query B { server { name } }"}',
  '{"query":"query A { server { name } } query B { server { name } }","operationName":"B"}',
  '{"query":"query ($id: ID!) { migrationRun(id: $id) { id } }"}',
  '{"query":"query ($id: ID!) { migrationRun(id: $id) { id } }","variables":{"id":"\\ud800"}}',
  '{"query":"{ server { name } }","variables":{"__proto__":{"a":1}}}',
  '{"query":"{ server { name } }","__proto__":{"variables":7}}',
  '{"query":"{ server { name } }","apollo":{"a":[1]},"id":"x"}',
  '[{"query":"{ server { name } }"},{"query":"{ server { name } }"}]',
  '{"query":"subscription { migrationProgress(run: \\"x\\") { seq } }"}',
  '{"query":"\\u0073ubscription { migrationProgress(run: \\"x\\") { seq } }"}',
  '{"query":"{ server { name } } # subscription"}',
  '{"query":"mutation { login(input: { email: \\"a@b.c\\", password: \\"x\\" }) { token } }"}',
  '{"query":"mutation { createTenant(input: { slug: \\"?\\", name: \\"\\" }) { id } }"}',
  '{"query":"{ __schema { types { name } } }"}',
  '{"query":"{ products { totalCount } }"}',
  '\ufeff{"query":"{ server { name } }"}',
  `{"query":"{ server { name } }","variables":{"x":${'['.repeat(12_000)}${']'.repeat(12_000)}}}`,
  `{"query":"{ server { name } }","variables":{"x":[${'1,'.repeat(9_000)}1]}}`,
  `{"query":"{ server { name } }","variables":{"x":"${'x'.repeat(30_000)}"}}`,
  `{"query":"{ ${'server { name } '.repeat(500)} }"}`,
  `{"query":"{ ${Array.from({ length: 40 }, (_, index) => `a${index}: server { name }`).join(' ')} }"}`,
  `{"query":"# ${'é'.repeat(10_001)}\\n{ server { name } }"}`,
  `{"query":"{ server { name } }","padding":"${'x'.repeat(MAX_BODY_BYTES)}"}`,
].map((body) => [`body ${body.slice(0, 90)}`, json, body]);

const headers: readonly Case[] = [
  { origin: 'https://one.example' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { authorization: '' },
  { authorization: 'Bearer' },
  { authorization: 'Bearer nonsense' },
  { authorization: `Bearer ${'x'.repeat(8_200)}` },
  { authorization: 'Basic abc' },
  { 'x-tenant': '' },
  { 'x-tenant': 'nobody' },
  { 'x-tenant': 'x'.repeat(100) },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'identity' },
  { 'x-request-id': 'given-by-a-proxy' },
  { 'x-forwarded-for': '192.0.2.1' },
  { expect: '100-continue' },
  { connection: 'keep-alive' },
].flatMap((more): Case[] =>
  [server, '{ products { totalCount } }'].map((query) => [
    `headers ${JSON.stringify(more).slice(0, 80)}: ${query}`,
    { ...json, ...more },
    JSON.stringify({ query }),
  ]),
);

const invalidUtf8: Case = [
  'a body that is not UTF-8',
  json,
  Buffer.concat([Buffer.from('{"query":"{ server { name } } # '), Buffer.from([0xff, 0xc3]), Buffer.from('"}')]),
];

describe('a request that is answered without Yoga’s HTTP', () => {
  let app: TestApp;
  const servers: Listening[] = [];
  let pairs: Record<string, readonly [plain: Listening, yoga: Listening]>;
  beforeAll(async () => {
    app = await startTestApp({ MAX_BODY_BYTES: String(MAX_BODY_BYTES), MAX_ALIASES: '30' });
    const secrets = { DATABASE_URL: 'postgres://u:p@db/x', JWT_SECRET: 'x'.repeat(32), ROLE_SECRET: 'y'.repeat(32) };
    const schema = await buildTestSchema();
    const pair = async (env: Record<string, string>) => {
      const { graphql, http } = loadConfig({
        ...secrets,
        MAX_BODY_BYTES: String(MAX_BODY_BYTES),
        MAX_ALIASES: '30',
        ...env,
      });
      const services = { ...app.services, config: { ...app.services.config, graphql, http } };
      const open = async (plainRequests: boolean) => {
        const opened = await listen(createGraphqlServer(services, schema, { plainRequests }));
        servers.push(opened);
        return opened;
      };
      return [await open(true), await open(false)] as const;
    };
    pairs = {
      development: await pair({}),
      production: await pair({ NODE_ENV: 'production' }),
      'CORS and proxies': await pair({ CORS_ORIGINS: 'https://one.example', TRUSTED_PROXIES: '1' }),
    };
  });
  afterAll(async () => {
    for (const each of servers) await each[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  /** Sends the bytes of a request, and reads all that comes back. Only the date and the request ids may differ. */
  async function exchange(port: number, more: Record<string, string>, body: string | Buffer): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    const all = { host: 'localhost', 'content-length': Buffer.byteLength(body), connection: 'close', ...more };
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST /graphql HTTP/1.1\r\n${head.join('')}\r\n`);
    socket.write(body);
    // Streams leave the connection open.
    socket.on('data', () => socket.setTimeout(1_000, () => socket.end()));
    const answer = await text(socket);
    const [start = '', ...rest] = answer.split('\r\n\r\n');
    const lines = start.split('\r\n').map((line) => line.replace(/^[^:]+:/, (name) => name.toLowerCase()));
    return [...lines.sort(), ...rest]
      .join('\n')
      .replace(/^date: .*$/gim, '')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'uuid');
  }

  it.each([...accepts, ...streams, ...contentTypes, ...bodies, ...headers, invalidUtf8])(
    'is answered byte for byte as by Yoga: %s',
    async (_name, lines, body) => {
      // At once, because one that leaves the connection open takes a second.
      const compare = async ([name, servers]: [string, readonly Listening[]]) => {
        const [answer, expected] = await Promise.all(servers.map(({ port }) => exchange(port, lines, body)));
        expect(expected, name).toMatch(/HTTP\/1.1 \d+/);
        expect(answer, name).toBe(expected);
      };
      await Promise.all(Object.entries(pairs).map(compare));
    },
  );

  it.each([
    ['with a token', () => app.admin, '{ viewer { isPlatformAdmin } tenants { totalCount } }'],
    ['with a mutation', () => app.admin, 'mutation { setUserActive(user: "nope", active: false) { email } }'],
    ['with an expired token', () => ({ authorization: 'Bearer e30.e30.e30' }), server],
  ])('is answered as by Yoga %s', async (_name, head, query) => {
    const [plain, yoga] = Object.values(pairs)[0] ?? expect.unreachable();
    const body = JSON.stringify({ query });
    const expected = await exchange(yoga.port, { ...json, ...head() }, body);
    expect(await exchange(plain.port, { ...json, ...head() }, body)).toBe(expected);
  });

  it('is answered in the order of arrival when several are sent at once on a connection', async () => {
    const [plain, yoga] = Object.values(pairs)[0] ?? expect.unreachable();
    const one = (name: string) => {
      const body = JSON.stringify({ query: `{ ${name}: server { name } }` });
      return `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    };
    for (const { port } of [plain, yoga]) {
      const socket = connect(port, '127.0.0.1');
      socket.write(['a', 'b', 'c'].map(one).join(''));
      setTimeout(() => socket.end(), 1000);
      const answers = [...(await text(socket)).matchAll(/"data":\{"(.)"/g)].map(([, name]) => name);
      expect(answers).toEqual(['a', 'b', 'c']);
    }
  });
});
