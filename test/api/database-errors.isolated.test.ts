import { describe, expect, it } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { entityConnection } from '../../src/orm/pagination.ts';
import { buildTestSchema } from '../support/product.ts';
import { useServer } from '../support/use-server.ts';

builder.queryFields((t) => ({
  statement: t.string({
    nullable: true,
    authScopes: { anyone: true },
    args: { sql: t.arg.string({ required: true }) },
    resolve: async (_root, { sql }, { services }) => {
      await services.catalog.fork().execute(sql);
      return 'done';
    },
  }),
  tenantIds: t.stringList({
    authScopes: { anyone: true },
    maxItems: 20,
    args: { id: t.arg.string({ required: true }), after: t.arg.string() },
    resolve: async (_root, { id, after }, { services }) => {
      const page = entityConnection(
        services.catalog.fork(),
        Tenant,
        { after },
        { where: { id }, orderBy: { id: 'asc' } },
      );
      return (await page).edges.map(({ node }) => node.id);
    },
  }),
}));

const raise = (state: string) => `DO $$ BEGIN RAISE 'the row of somebody else' USING ERRCODE = '${state}'; END $$`;

describe('an error of PostgreSQL', async () => {
  const used = useServer({}, { schema: await buildTestSchema() });
  const ask = (sql: string) =>
    used.server.post({ query: 'query ($sql: String!) { statement(sql: $sql) }', variables: { sql } });

  it.each([
    [raise('57014'), 'SERVER_BUSY', 5000, 'Request less'],
    [raise('25P04'), 'SERVER_BUSY', 5000, 'Request less'],
    [raise('57P01'), 'SERVER_BUSY', 1000, 'Try again'],
    [raise('53100'), 'SERVER_BUSY', 5000, 'disk space'],
    [raise('53200'), 'SERVER_BUSY', 5000, 'memory'],
    [raise('40P01'), 'SERVER_BUSY', 1000, 'Try again'],
    [raise('53400'), 'BAD_USER_INPUT', undefined, 'temporary space'],
    [raise('54001'), 'BAD_USER_INPUT', undefined, 'too complex'],
    [raise('23514'), 'BAD_USER_INPUT', undefined, 'Check the arguments'],
    [raise('23502'), 'BAD_USER_INPUT', undefined, 'Check the arguments'],
    [raise('23503'), 'CONFLICT', undefined, 'contradicts'],
    [raise('23505'), 'CONFLICT', undefined, 'contradicts'],
    [raise('23P01'), 'CONFLICT', undefined, 'contradicts'],
    ["SELECT 'x'::uuid", 'BAD_USER_INPUT', undefined, 'Check the arguments'],
    ['SELECT 100000::smallint', 'BAD_USER_INPUT', undefined, 'Check the arguments'],
    [raise('XX000'), 'INTERNAL_SERVER_ERROR', undefined, 'went wrong on our side'],
  ])('has a helpful message: %s is %s', async (sql, code, retryAfterMs, words) => {
    const { body, text } = await ask(sql);
    expect(body.errors?.[0]?.message).toContain(words);
    expect(body.errors?.[0]?.extensions).toMatchObject({ code, ...(retryAfterMs && { retryAfterMs }) });
    expect(text).not.toContain('somebody else');
  });

  it('of a statement that PostgreSQL cancelled says so', async () => {
    const { body } = await ask("BEGIN; SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(5); COMMIT");
    expect(body.errors?.[0]).toMatchObject({
      message: expect.stringContaining('took too long'),
      extensions: { code: 'SERVER_BUSY', retryAfterMs: 5000 },
    });
  });

  const cursor = (...values: unknown[]) => Buffer.from(JSON.stringify(values)).toString('base64url');
  const someId = '3f1b6a1e-5d0c-4a53-9c5f-0d9a0c6d1b11';

  it.each([
    ['nope', null, 'A value such as an id, a number or a time is malformed. Check the arguments.'],
    ['nope', cursor(someId), 'A value such as an id, a number or a time is malformed. Check the arguments.'],
    [someId, cursor('nope'), 'Invalid cursor for this list'],
  ])('of a list with the id %s after %s names what is wrong', async (id, after, message) => {
    const query = 'query ($id: String!, $after: String) { tenantIds(id: $id, after: $after) }';
    const { body } = await used.server.post({ query, variables: { id, after } });
    expect(body.errors?.[0]).toMatchObject({ message, extensions: { code: 'BAD_USER_INPUT' } });
  });
});
