import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { builder } from '../../src/graphql/builder.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

class Surprise extends Error {
  override readonly name = 'Surprise';
}

const fail = (): never => {
  throw new Surprise('the details of postgres://owner:hunter2@db', { cause: new Error('what was below') });
};

builder.queryFields((t) => ({
  failure: t.string({ nullable: true, authScopes: { anyone: true }, resolve: fail }),
  slowFailure: t.string({
    authScopes: { anyone: true },
    nullable: true,
    resolve: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return fail();
    },
  }),
  thrownText: t.string({
    authScopes: { anyone: true },
    nullable: true,
    resolve: () => {
      // Libraries throw such things.
      throw 'a text';
    },
  }),
  conflict: t.string({
    authScopes: { anyone: true },
    nullable: true,
    resolve: () => {
      throw new AppError('CONFLICT', 'Somebody was faster', { details: { field: 'x' }, cause: new Error('secret') });
    },
  }),
}));
builder.subscriptionField('brokenStream', (t) =>
  t.string({
    authScopes: { anyone: true },
    async *subscribe() {
      yield 'one';
      fail();
    },
    resolve: (text) => String(text),
  }),
);

describe('an error', () => {
  let app: TestApp;
  let server: Listening;
  let lines: string[];
  beforeAll(async () => {
    lines = [];
    const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
    app = await startTestApp({}, { log, schema: buildSchema() });
    server = await listen(app.yoga);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  const logOf = (requestId: string) => lines.filter((line) => line.includes(requestId)).join('');

  it.each(['failure', 'slowFailure'])(
    'that nobody expected is masked, and logged whole under the same id: %s',
    async (field) => {
      const { body, headers, text } = await server.post({ query: `{ ${field} server { name } }` });
      const requestId = String(headers['x-request-id']);
      expect(body).toEqual({
        data: { [field]: null, server: { name: 'Tenantry' } },
        errors: [
          {
            message: `Something went wrong on our side. Its log entry has the request id ${requestId}.`,
            locations: [{ line: 1, column: 3 }],
            path: [field],
            extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
          },
        ],
      });
      expect(text).not.toMatch(/hunter2|Surprise|below|\.ts/);
      const log = logOf(requestId);
      for (const part of ['Surprise', 'the details of', 'what was below', 'errors.test.ts', '"level":50'])
        expect(log).toContain(part);
    },
  );

  it('that is no Error at all is masked too', async () => {
    const { body, headers, text } = await server.post({ query: '{ thrownText }' });
    expect(body.errors?.[0]?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId: headers['x-request-id'] });
    expect(text).not.toContain('a text');
    expect(logOf(String(headers['x-request-id']))).toContain('a text');
  });

  it('in the middle of a subscription is masked too', async () => {
    const requestId = 'stream-request-1';
    const { text } = await server.post(
      { query: 'subscription { brokenStream }' },
      { accept: 'text/event-stream', 'x-request-id': requestId },
    );
    expect(text).toContain('{"data":{"brokenStream":"one"}}');
    expect(text).toContain('"code":"INTERNAL_SERVER_ERROR"');
    expect(text).toContain(requestId);
    expect(text).not.toMatch(/hunter2|Surprise/);
    expect(logOf(requestId)).toContain('Surprise');
  });

  it('that its reader can act on is shown as it is, without what was below it', async () => {
    const { body, text } = await server.post({ query: '{ again: conflict }' });
    expect(body.errors).toEqual([
      {
        message: 'Somebody was faster',
        locations: [{ line: 1, column: 3 }],
        path: ['again'],
        extensions: { code: 'CONFLICT', field: 'x' },
      },
    ]);
    expect(text).not.toContain('secret');
  });

  it('in one request has nothing of another one that runs at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.post({ query: '{ slowFailure }' })));
    const ids = answers.map(({ body }) => body.errors?.[0]?.extensions.requestId);
    expect(ids).toEqual(answers.map(({ headers }) => headers['x-request-id']));
    expect(new Set(ids).size).toBe(20);
  });
});

describe('the id of a request', () => {
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    app = await startTestApp();
    server = await listen(app.yoga);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });
  const idOf = async (given?: string, path = '/health/live') =>
    (await server.get(path, given === undefined ? {} : { 'x-request-id': given })).headers['x-request-id'];
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  it('is the one that a proxy gave it, on every path', async () => {
    for (const path of ['/graphql', '/health/live', '/health/ready', '/nowhere']) {
      expect(await idOf('proxy_id-0123456789', path), path).toBe('proxy_id-0123456789');
    }
  });

  it.each([
    '',
    'short',
    'x'.repeat(65),
    'with a blank in it',
    '<script>alert(1)</script>',
    '$(id)-$(id)',
    'line%0d%0abreak',
  ])('is a new one instead of %j', async (given) => {
    expect(await idOf(given)).toMatch(uuid);
  });

  it('is another one for each request', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => idOf()));
    expect(new Set(ids).size).toBe(10);
    for (const id of ids) expect(id).toMatch(uuid);
  });
});
