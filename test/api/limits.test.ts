import { getIntrospectionQuery } from 'graphql';
import { describe, expect, it } from 'vitest';
import { useServer } from '../support/use-server.ts';

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');

/** Fields that nest, of which each pair adds two levels. */
const nested = (pairs: number) => `${'members { tenant { '.repeat(pairs)}id${' } }'.repeat(pairs)}`;

const json = { method: 'POST', headers: { 'content-type': 'application/json' } };

describe('the limits of requests', () => {
  const used = useServer({ MAX_BODY_BYTES: '40000' });

  it.each([
    ['depth', `{ tenants { nodes { ${nested(6)} } } }`, /depth/],
    [
      'depth, hidden in fragments',
      `{ tenants { nodes { ...A } } } fragment A on Tenant { members { tenant { ...B } } } fragment B on Tenant { ${nested(4)} }`,
      /depth/,
    ],
    [
      'depth, hidden in inline fragments',
      `{ ... on Query { tenants { ... { nodes { ... on Tenant { ${nested(6)} } } } } } }`,
      /depth/,
    ],
    ['tokens', `{ server { ${times(2000, () => 'name')} } }`, /[Tt]oken/],
    ['tokens, spent on directives', `{ server { name ${times(500, () => '@skip(if: false)')} } }`, /[Tt]oken/],
    ['aliases', `{ ${times(31, (index) => `a${index}: health { status }`)} }`, /[Aa]lias/],
    [
      'aliases, hidden in a fragment',
      `{ ...A } fragment A on Query { ${times(31, (index) => `a${index}: health { status }`)} }`,
      /[Aa]lias/,
    ],
    [
      'aliases, through a fragment that is used again and again',
      `{ a: tenants { ...A } b: tenants { ...A } c: tenants { ...A } d: tenants { ...A } }
       fragment A on TenantConnection { ${times(10, (index) => `a${index}: totalCount`)} }`,
      /[Aa]lias/,
    ],
    [
      'fields, before it is known what they are',
      `{ ${times(201, () => 'nope')} }`,
      /^The document has 201 fields .*the limit is 200/,
    ],
    ['fields, written again and again', `{ ${times(490, () => 'currencies { code }')} }`, /980 fields/],
    [
      'fields, most of them spreads of fragments',
      `{ ${times(200, () => '...A')} } fragment A on Query { server { name } }`,
      /202 fields/,
    ],
    [
      'cost',
      `{ tenants { nodes { ${nested(2)} } } }`,
      /^The operation costs 404022; the limit is 20000\. Most of it is in tenants\.nodes\.members\.tenant\.members\..*request smaller pages/,
    ],
    [
      'cost, of members three deep with eight aliases',
      `{ viewer { tenant { ${times(8, (index) => `a${index}: ${nested(3)}`)} } } }`,
      /^The operation costs 16161610; the limit/,
    ],
    [
      'cost, multiplied by fragments',
      `{ tenants { nodes { ${times(8, () => '...A')} } } } fragment A on Tenant { ${times(8, () => '...B')} }
       fragment B on Tenant { ${times(8, () => '...C')} } fragment C on Tenant { ${times(8, () => nested(1))} }`,
      /costs/,
    ],
    ['fragments that hold themselves', '{ ...A } fragment A on Query { server { name } ...A }', /itself/],
    ['fragments that hold each other', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }', /itself/],
  ])('refuses a document for its %s', async (_name, query, reason) => {
    const { body, code } = await used.server.post({ query }, used.app.admin);
    expect(body.data).toBeUndefined();
    expect(body.errors).toHaveLength(1);
    expect(body.errors?.[0]?.message).toMatch(reason);
    expect(body.errors?.[0]?.message).not.toMatch(/Syntax Error|aborted/);
    expect(code).toBe('BAD_USER_INPUT');
  });

  /** Ten times a list inside a page; the page's size is written in several ways. */
  const tenants = (size: string) => times(10, (index) => `a${index}: tenants${size} { nodes { id members { role } } }`);
  const costs = (items: number) => 10 * (1 + 1 + items * (1 + 1 + 100));

  it.each([
    ['a number', `{ ${tenants('(first: 100)')} }`, {}, costs(100)],
    ['a number of last', `{ ${tenants('(last: 100)')} }`, {}, costs(100)],
    ['a variable', `query ($n: Int) { ${tenants('(first: $n)')} }`, { n: 100 }, costs(100)],
    ['a variable’s default', `query ($n: Int = 90) { ${tenants('(first: $n)')} }`, {}, costs(90)],
    ['more than a page may have', `{ ${tenants('(first: 2000000000)')} }`, {}, costs(100)],
  ])('counts the items of lists, where a page’s size is %s', async (_name, query, variables, cost) => {
    const { body } = await used.server.post({ query, variables }, used.app.admin);
    expect(body.data).toBeUndefined();
    expect(body.errors?.[0]?.message).toContain(`The operation costs ${cost}; `);
  });

  it('counts separately for other variables, for the chosen operation, and for subscriptions', async () => {
    const query = `query Tenants($n: Int) { ${tenants('(first: $n)')} } query Server { server { name } }`;
    const ask = async (operationName: string, n: number) =>
      (await used.server.post({ query, operationName, variables: { n } }, used.app.admin)).code;
    expect(await ask('Tenants', 100)).toBe('BAD_USER_INPUT');
    expect(await ask('Server', 100)).toBeUndefined();
    expect(await ask('Tenants', 1)).toBeUndefined();
    expect(await ask('Tenants', 100)).toBe('BAD_USER_INPUT');
    const deep = `subscription { migrationProgress(run: "x") { tenant { ${nested(4)} } } }`;
    const { text } = await used.server.post({ query: deep }, { ...used.app.admin, accept: 'text/event-stream' });
    expect(text).toContain('The operation costs');
  });

  it('counts every item of lists that have no pages', async () => {
    const query = `{ ${times(30, (index) => `a${index}: currencies { code name }`)} }`;
    const refused = query.replaceAll('code', 'digits code');
    expect((await used.server.post({ query: refused })).body.errors?.[0]?.message).toMatch(
      /^The operation costs 27030;/,
    );
    expect((await used.server.post({ query })).body.errors).toBeUndefined();
  });

  it('lets tools ask for the whole schema', async () => {
    const query = getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    });
    const { body } = await used.server.post({ query });
    expect(body.errors).toBeUndefined();
    expect(body.data).toHaveProperty('__schema');
  });

  it('lets through a document that is as deep as a client of ours needs', async () => {
    const { body } = await used.server.post(
      { query: `{ tenants(first: 2) { nodes { ${nested(1)} } } }` },
      used.app.admin,
    );
    expect(body).toEqual({ data: { tenants: { nodes: [] } } });
  });

  it('refuses introspection that goes round in circles', async () => {
    const circles = `${'fields { type { '.repeat(5)}name${' } }'.repeat(5)}`;
    expect((await used.server.post({ query: `{ __schema { types { ${circles} } } }` })).code).toBe('BAD_USER_INPUT');
  });

  it('refuses several operations in one request', async () => {
    const { status, code } = await used.server.post([
      { query: '{ server { name } }' },
      { query: '{ server { name } }' },
    ]);
    expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
  });

  it('refuses a body beyond the limit, with or without a content-length', async () => {
    const large = JSON.stringify({ query: '{ server { name } }', padding: 'x'.repeat(40_000) });
    for (const chunked of [false, true]) {
      expect(await used.server.send({ ...json, body: large, chunked }), `chunked: ${chunked}`).toMatchObject({
        status: 413,
        code: 'BAD_USER_INPUT',
      });
    }
    const small = '{"query":"{ server { name } }"}';
    expect(await used.server.send({ ...json, body: small, chunked: true })).toMatchObject({ status: 200 });
  });

  it.each([
    ['a syntax error', { query: '{' }],
    ['an unknown field', { query: '{ nope }' }],
    ['a variable that is missing', { query: 'query ($id: ID!) { migrationRun(id: $id) { id } }' }],
    [
      'a variable of another type',
      { query: 'query ($first: Int) { tenants(first: $first) { totalCount } }', variables: { first: 'x' } },
    ],
    ['an operation that is not there', { query: 'query A { server { name } }', operationName: 'B' }],
    ['no document', {}],
    ['a document that is no text', { query: 7 }],
    ['nothing', null],
  ])('calls %s bad input of the user', async (_name, body) => {
    const { status, code } = await used.server.post(body, used.app.admin);
    expect(code).toBe('BAD_USER_INPUT');
    expect(status).toBeLessThan(500);
  });

  it.each(['variables={', 'extensions={', 'variables=1'])(
    'calls a URL with %s bad input of the user',
    async (parameter) => {
      const answer = await used.server.get(`/graphql?query={server{name}}&${parameter}`);
      expect(answer).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
    },
  );

  it('says 400 for a bad document to clients that ask for the newer media type, and does not repeat a broken body', async () => {
    const answer = await used.server.post({ query: '{ nope }' }, { accept: 'application/graphql-response+json' });
    expect(answer.status).toBe(400);
    const broken = await used.server.send({ ...json, body: '{"password": hunter2}' });
    expect(broken.status).toBe(400);
    expect(broken.text).not.toContain('hunter2');
  });
});
