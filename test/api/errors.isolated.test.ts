import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { AppError } from '../../src/lib/errors.ts';
import { listen } from '../support/listen.ts';
import { buildTestSchema } from '../support/product.ts';
import { startTestApp } from '../support/start-app.ts';
import { useServer } from '../support/use-server.ts';

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
  since: t.string({
    authScopes: { anyone: true },
    nullable: true,
    args: { from: t.arg({ type: 'DateTime' }) },
    resolve: (_root, { from }) => String(from),
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

describe('an error', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const used = useServer({ TRUSTED_PROXIES: '1' }, { log, schema: await buildTestSchema() });

  const logOf = (requestId: string) => lines.filter((line) => line.includes(requestId)).join('');

  it.each(['failure', 'slowFailure'])(
    'that nobody expected is masked, and logged whole under the same id: %s',
    async (field) => {
      const { body, headers, text } = await used.server.post({ query: `{ ${field} server { name } }` });
      const requestId = String(headers['x-request-id']);
      expect(body).toEqual({
        data: { [field]: null, server: { name: 'Tenantry' } },
        errors: [
          {
            message: `Something went wrong on our side. The log entry has the request id ${requestId}.`,
            locations: [{ line: 1, column: 3 }],
            path: [field],
            extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
          },
        ],
      });
      expect(text).not.toMatch(/hunter2|Surprise|below|\.ts/);
      const log = logOf(requestId);
      for (const part of ['Surprise', 'the details of', 'what was below', 'errors.isolated.test.ts', '"level":50'])
        expect(log).toContain(part);
    },
  );

  const create = 'mutation ($i: CreateProductInput!) { createProduct(input: $i) { sku } }';
  it.each([
    [
      'a field of an input',
      { i: { sku: 'a', name: 'a', price: 4.5, currency: 'EUR' } },
      'Variable "$i" got invalid value 4.5 at "i.price"; String cannot represent a non string value: 4.5',
    ],
    [
      'a field that is missing',
      { i: { sku: 'a', name: 'a', currency: 'EUR' } },
      'Variable "$i" got invalid value { sku: "a", name: "a", currency: "EUR" }; Field "price" of required type "String!" was not provided.',
    ],
    ['a variable that is missing', {}, 'Variable "$i" of required type "CreateProductInput!" was not provided.'],
  ])('of a variable says which field of it is wrong: %s', async (_name, variables, message) => {
    const { body } = await used.server.post({ query: create, variables });
    expect(body).toEqual({
      errors: [{ message, locations: [{ line: 1, column: 11 }], extensions: { code: 'BAD_USER_INPUT' } }],
    });
  });

  it('of a scalar of our own says which variable is wrong, and is not called ours', async () => {
    const { body } = await used.server.post({
      query: 'query ($from: DateTime) { since(from: $from) }',
      variables: { from: 'x' },
    });
    expect(body.errors?.[0]).toMatchObject({
      message: expect.stringContaining('Variable "$from" got invalid value "x"; '),
      extensions: { code: 'BAD_USER_INPUT' },
    });
  });

  it('of validation that gives up says why', async () => {
    const large = await startTestApp({ MAX_QUERY_FIELDS: '2000' });
    try {
      const { errors } = await large.ask(`{ ${'currencies { code } '.repeat(490)} }`);
      expect(errors).toEqual([
        {
          message: expect.stringContaining('repeats the same field names'),
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ]);
    } finally {
      await large[Symbol.asyncDispose]();
    }
  });

  it('that is not an Error is masked too', async () => {
    const { body, headers, text } = await used.server.post({ query: '{ thrownText }' });
    expect(body.errors?.[0]?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId: headers['x-request-id'] });
    expect(text).not.toContain('a text');
    expect(logOf(String(headers['x-request-id']))).toContain('a text');
  });

  it('in the middle of a subscription is masked too', async () => {
    const requestId = 'stream-request-1';
    const { text } = await used.server.post(
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
    const { body, text } = await used.server.post({ query: '{ again: conflict }' });
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
    const answers = await Promise.all(Array.from({ length: 20 }, () => used.server.post({ query: '{ slowFailure }' })));
    const ids = answers.map(({ body }) => body.errors?.[0]?.extensions.requestId);
    expect(ids).toEqual(answers.map(({ headers }) => headers['x-request-id']));
    expect(new Set(ids).size).toBe(20);
  });
});

describe('the id of a request', () => {
  const used = useServer({ TRUSTED_PROXIES: '1' });
  const idOf = async (given?: string, path = '/health/live') =>
    (await used.server.get(path, given === undefined ? {} : { 'x-request-id': given })).headers['x-request-id'];
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

  it('is a new one without a trusted proxy', async () => {
    await using app = await startTestApp();
    await using server = await listen(app.yoga);
    const { headers } = await server.get('/health/live', { 'x-request-id': 'client_id-0123456789' });
    expect(headers['x-request-id']).toMatch(uuid);
  });

  it('is another one for each request', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => idOf()));
    expect(new Set(ids).size).toBe(10);
    for (const id of ids) expect(id).toMatch(uuid);
  });
});
