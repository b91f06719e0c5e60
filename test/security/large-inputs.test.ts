import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { startWatchedServer, type WatchedServer } from '../support/watched-server.ts';

/** For how long one input may stop all others on a busy machine, in milliseconds; it was 38,000 for the first of them. */
const MAX_DELAY_MS = 1500;

/** What the heap may hold, garbage included; the documents alone would take 600 MB if they were kept. */
const MAX_HEAP_BYTES = 300 * 1024 * 1024;

describe('a large input', () => {
  let postgres: TestPostgres;
  let server: WatchedServer;
  let client: HttpClient;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    const folder = await mkdtemp(path.join(tmpdir(), 'large-inputs-'));
    server = await startWatchedServer({ ...ownInstallation(postgres, folder), LOG_LEVEL: 'warn' }, 512);
    client = await server.listening();
    // What is compiled at first use is not to be measured.
    for (let round = 0; round < 20; round += 1) await login('nobody@example.com');
    await server.vitals();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  const login = (email: string) =>
    client.post({
      query: 'mutation ($email: String!) { login(input: { email: $email, password: "x" }) { token } }',
      variables: { email },
    });
  const slashes = '://'.repeat(80_000);
  const manyKeys = Object.fromEntries(Array.from({ length: 75_000 }, (_, index) => [index.toString(36), {}]));

  it.each<[string, () => ReturnType<HttpClient['post']>]>([
    ['an email address in a variable', () => login(slashes)],
    ['one that is just too long', () => login('x'.repeat(255))],
    [
      'a variable of the wrong type',
      () => client.post({ query: 'query ($n: Int) { tenants(first: $n) { totalCount } }', variables: { n: slashes } }),
    ],
    [
      'a list',
      () =>
        client.post({ query: 'query ($l: [ID!]!) { server { name } }', variables: { l: Array(200_000).fill('x') } }),
    ],
    [
      'variables nested deep',
      () =>
        client.send({
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: `{"query":"{ server { name } }","variables":{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`,
        }),
    ],
    ['an object with many keys', () => client.post({ query: '{ server { name } }', variables: manyKeys })],
    ['extensions', () => client.post({ query: '{ server { name } }', extensions: manyKeys })],
    ['the name of the operation', () => client.post({ query: '{ server { name } }', operationName: slashes })],
    [
      'a document with a text',
      () => client.post({ query: `mutation { login(input: { email: "${slashes}", password: "x" }) { token } }` }),
    ],
    ['a document with a comment', () => client.post({ query: `# ${slashes}\n{ server { name } }` })],
    [
      'a document of two bytes a character',
      () => client.post({ query: `# ${'é'.repeat(10_001)}\n{ server { name } }` }),
    ],
  ])('is refused before it costs anything: %s', async (_name, send) => {
    await server.vitals();
    const { code, text } = await send();
    const { maxDelayMs } = await server.vitals();
    expect(code).toBe('BAD_USER_INPUT');
    expect(text).toMatch(/the limit|more than 20 levels/);
    expect(text.length).toBeLessThan(2000);
    expect(maxDelayMs).toBeLessThan(MAX_DELAY_MS);
  });

  it('in a header is refused', async () => {
    const query = { query: '{ timestamp }' };
    const admin = server.admin();
    expect((await client.post(query, { ...admin, 'x-tenant': 'x'.repeat(5000) })).code).toBe('BAD_USER_INPUT');
    const token = await client.post(query, { authorization: `Bearer ${'x'.repeat(10_000)}` });
    expect(token.body.errors?.[0]).toMatchObject({
      message: expect.stringContaining('the limit is 8192'),
      extensions: { code: 'UNAUTHENTICATED' },
    });
  });

  it('in a query string is refused too', async () => {
    const document = `# ${'x'.repeat(2000)}\n{ server { name } }`;
    await using small = await startWatchedServer({
      ...ownInstallation(postgres, await mkdtemp(path.join(tmpdir(), 'small-documents-'))),
      MAX_DOCUMENT_BYTES: '1000',
    });
    const other = await small.listening();
    const answer = await other.get(`/graphql?query=${encodeURIComponent(document)}`, { accept: 'application/json' });
    expect(answer.code).toBe('BAD_USER_INPUT');
  });

  it('a hundred times at once is refused before it is parsed: bodies of many small values', async () => {
    await server.vitals();
    const shapes = ['[],', '1,', '{"a":1},'].map(
      (item) => `{"variables":{"x":[${item.repeat(770_000 / item.length)}1]}}`,
    );
    const headers = { 'content-type': 'application/json' };
    const bodies = Array.from({ length: 100 }, (_, index) => shapes[index % shapes.length] ?? '');
    const answers = await Promise.all(bodies.map((body) => client.send({ method: 'POST', headers, body })));
    const { maxDelayMs } = await server.vitals();
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['BAD_USER_INPUT']));
    expect(answers[0]?.text).toContain('more values than the limit of 10000');
    expect(maxDelayMs).toBeLessThan(MAX_DELAY_MS);
  });

  /** Sends documents with limited concurrency, and returns the codes of the answers. */
  async function sendAll(documents: readonly (() => string)[]): Promise<Set<string | undefined>> {
    const codes = new Set<string | undefined>();
    const left = documents.values();
    const sender = async () => {
      for (const make of left) {
        const headers = { 'content-type': 'application/json' };
        const response = await fetch(client.url, { method: 'POST', headers, body: JSON.stringify({ query: make() }) });
        // The server answers GraphQL requests in this shape.
        const answer = (await response.json()) as { errors?: { extensions?: { code?: string } }[] };
        codes.add(answer.errors?.[0]?.extensions?.code);
      }
    };
    await Promise.all(Array.from({ length: 4 }, sender));
    return codes;
  }

  it('six hundred times leaves the heap as it is: documents of 980 KB', async () => {
    const rounds = Array.from({ length: 600 }, (_, round) => round);
    const codes = await sendAll(
      rounds.map((round) => () => `# ${String(round).padEnd(980_000, 'x')}\n{ server { name } }`),
    );
    expect(codes).toEqual(new Set(['BAD_USER_INPUT']));
    expect((await server.vitals()).heapUsedBytes).toBeLessThan(MAX_HEAP_BYTES);
  }, 180_000);

  it('of legal size does so too, hundreds of times, whether it is valid or not', async () => {
    const rounds = Array.from({ length: 600 }, (_, round) => round);
    const field = 'name @skip(if: false) @include(if: true) ';
    const valid = await sendAll(rounds.map((round) => () => `query q${round} { server { ${field.repeat(120)} } }`));
    expect(valid).toEqual(new Set([undefined]));
    const invalid = await sendAll(rounds.map((round) => () => `{ f${round} ${'x '.repeat(190)} }`));
    expect(invalid).toEqual(new Set(['BAD_USER_INPUT']));
    const { heapUsedBytes } = await server.vitals();
    expect(heapUsedBytes).toBeLessThan(MAX_HEAP_BYTES);
  }, 180_000);
});
