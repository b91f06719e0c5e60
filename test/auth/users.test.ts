import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, join, type Person, register } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('the list of users', () => {
  let app: TestApp;
  let people: Person[];
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
    people = [];
    for (const email of ['ada@example.com', 'bob@example.com', 'under_score@example.com']) {
      people.push(await register(app, email));
    }
  });
  afterAll(() => app[Symbol.asyncDispose]());

  interface Page {
    readonly totalCount: number;
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    readonly nodes: readonly { readonly id: string; readonly email: string }[];
  }
  async function list(args: string): Promise<Page> {
    const text = `{ users(${args}) { totalCount pageInfo { hasNextPage endCursor } nodes { id email } } }`;
    const { data, errors } = await app.ask(text, app.admin);
    expect(errors).toBeUndefined();
    // The shape that the query asks for.
    return data?.users as Page;
  }
  const emails = ({ nodes }: Page) => nodes.map(({ email }) => email);

  it('is listed page by page, oldest first', async () => {
    const page = await list('first: 2');
    expect(page).toMatchObject({
      totalCount: 3,
      pageInfo: { hasNextPage: true },
      nodes: people.slice(0, 2).map(({ id, email }) => ({ id, email })),
    });
    const rest = await list(`first: 2, after: "${page.pageInfo.endCursor}"`);
    expect(rest).toMatchObject({ pageInfo: { hasNextPage: false }, nodes: [{ email: 'under_score@example.com' }] });
  });

  it('is searched for a part of the address or the name, in which % and _ mean themselves', async () => {
    expect(emails(await list('search: "ADA"'))).toEqual(['ada@example.com']);
    expect(emails(await list('search: "somebod"'))).toHaveLength(3);
    expect(emails(await list('search: "_"'))).toEqual(['under_score@example.com']);
    expect(emails(await list('search: "%"'))).toEqual([]);
    expect(await list('search: "bob", first: 1')).toMatchObject({ totalCount: 1, pageInfo: { hasNextPage: false } });
  });

  it('gives the ids with which users are switched off or made admins, and tells of both', async () => {
    const [bob] = (await list('search: "bob@"')).nodes;
    const change = (text: string) => app.ask(`mutation { ${text} { active isPlatformAdmin } }`, app.admin);
    expect(await change(`setUserActive(user: "${bob?.id}", active: false)`)).toEqual({
      data: { setUserActive: { active: false, isPlatformAdmin: false } },
    });
    expect(await change(`setPlatformAdmin(user: "${bob?.id}", isPlatformAdmin: true)`)).toEqual({
      data: { setPlatformAdmin: { active: false, isPlatformAdmin: true } },
    });
    const { data } = await app.ask('{ users { nodes { email active isPlatformAdmin createdAt } } }', app.admin);
    const createdAt = expect.any(String);
    expect(data?.users).toEqual({
      nodes: people.map(({ email }) => {
        const isBob = email === 'bob@example.com';
        return { email, active: !isBob, isPlatformAdmin: isBob, createdAt };
      }),
    });
  });

  it.each(['active', 'isPlatformAdmin', 'createdAt'])('tells nobody else of a user: %s', async (field) => {
    const member = await join(app, `${field}@example.com`, 'acme', 'OWNER');
    const text = `{ viewer { tenant { members { user { email ${field} } } } } }`;
    expect(codeOf(await app.ask(text, member.headers))).toBe('FORBIDDEN');
  });
});
