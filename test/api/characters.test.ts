import { beforeAll, describe, expect, it } from 'vitest';
import { useServer } from '../support/use-server.ts';

describe('characters of a text', () => {
  const used = useServer({ DEFAULT_ISOLATION: 'schema' });
  beforeAll(async () => {
    await used.app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', used.app.admin);
    await used.app.ask(
      'mutation { createTenant(input: { slug: "acme-db", name: "Acme", isolation: DATABASE }) { id } }',
      used.app.admin,
    );
  });

  const createProduct = `mutation ($text: String!) {
    createProduct(input: { sku: $text, name: $text, price: "1.00", currency: "EUR" }) { name }
  }`;

  it.each([
    ['mutation ($text: String!) { createTenant(input: { slug: "other", name: $text }) { id } }', 'admin'],
    ['query ($text: String!) { tenant(slug: $text) { id } }', 'admin'],
    ['query ($text: String!) { tenants(filter: { search: $text }) { totalCount } }', 'admin'],
    ['query ($text: String!) { tenants(filter: { server: $text }) { nodes { id } } }', 'admin'],
    [createProduct, 'member'],
  ])('are refused as bad input where PostgreSQL cannot store them: %s', async (query, caller) => {
    const headers = caller === 'admin' ? used.app.admin : await used.app.tokenFor('acme');
    expect((await used.server.post({ query, variables: { text: 'a\u0000b' } }, headers)).code).toBe('BAD_USER_INPUT');
  });

  it.each([
    ['mutation ($text: String!) { createTenant(input: { slug: "other", name: $text }) { id } }', 'admin'],
    ['query ($text: String!) { tenants(filter: { search: $text }) { totalCount } }', 'admin'],
    ['mutation ($text: String!) { login(input: { email: "a@example.com", password: $text }) { token } }', 'stranger'],
    [
      'mutation ($text: String!) { register(input: { email: "a@example.com", password: $text, name: "A" }) { token } }',
      'stranger',
    ],
    [createProduct, 'member'],
    // As an escape in the document itself, the parser refuses it.
    [
      String.raw`mutation { login(input: { email: "a@example.com", password: "correct horse \ud83d staple" }) { token } }`,
      'stranger',
    ],
  ])('are refused if they are half of a surrogate pair: %s', async (query, caller) => {
    const headers = { admin: used.app.admin, member: await used.app.tokenFor('acme'), stranger: {} }[caller];
    const text = 'correct horse \ud83d staple';
    const answer = await used.server.post({ query, ...(query.includes('$text') && { variables: { text } }) }, headers);
    expect(answer.code).toBe('BAD_USER_INPUT');
    expect(answer.text).toMatch(/half of a surrogate pair|Unicode/);
  });

  it.each([
    ['a control character', '\u001b[31m'],
    ['a line break', '\n'],
    ['a line separator', '\u2028'],
    ['half of a surrogate pair', '\ud800'],
    ...['\u200e', '\u200f', '\u061c', '\u202a', '\u202e', '\u2066', '\u2069'].map((text) => [
      'a change of direction',
      text,
    ]),
  ])('are refused in names, which terminals and pages show: %s, %j', async (_name, hidden) => {
    const text = `a${hidden}b`;
    const ask = (query: string, headers = used.app.admin) =>
      used.server.post({ query: `mutation ($text: String!) { ${query} }`, variables: { text } }, headers);
    const createTenant = 'createTenant(input: { slug: "other", name: $text }) { id }';
    const password = 'correct horse battery staple';
    const register = `register(input: { email: "a@example.com", password: "${password}", name: $text }) { token }`;
    for (const answer of [
      await ask(createTenant),
      await ask('updateTenant(input: { id: "acme", name: $text }) { id }'),
      await ask('createCheckpoint(tenant: "acme-db", name: $text) { id }'),
      await ask(register, {}),
    ])
      expect(answer.code).toBe('BAD_USER_INPUT');
  });

  it.each(['’;DROPTABLEproducts;--', '\\', '"', '💥', '\u202e', '%_', "a'b", '$1', '?', '\ufffe'])(
    'come back as they were: %j',
    async (text) => {
      const { body } = await used.server.post(
        { query: createProduct, variables: { text } },
        await used.app.tokenFor('acme'),
      );
      expect(body).toEqual({ data: { createProduct: { name: text } } });
    },
  );
});
