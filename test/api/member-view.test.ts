import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('what a member sees of tenants', () => {
  let app: TestApp;
  let inOne: Record<string, string>;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    for (const slug of ['one', 'two']) {
      await app.ask(`mutation { createTenant(input: { slug: "${slug}", name: "x" }) { id } }`, app.admin);
    }
    const subject = await app.services.catalog.use(async (client) => {
      const { rows } = await client.query<{ id: string }>(
        `INSERT INTO users (email, name) VALUES ('both@x.org', 'x'), ('other@x.org', 'y') RETURNING id`,
      );
      const pairs = `(VALUES ('one', 'both@x.org'), ('two', 'both@x.org'), ('two', 'other@x.org')) AS pair(slug, email)`;
      await client.query(
        `INSERT INTO memberships (user_id, tenant_id, role)
         SELECT u.id, t.id, 'MEMBER' FROM ${pairs} JOIN users u USING (email) JOIN tenants t USING (slug)`,
      );
      return rows[0]?.id;
    });
    const token = await app.services.tokens.issue({ subject, tenant: 'one', expiresIn: '1h' });
    inOne = { authorization: `Bearer ${token}` };
  });
  afterAll(() => app[Symbol.asyncDispose]());

  it('is who else is in the tenant of the request, and which tenants there are for him', async () => {
    const query = '{ viewer { tenant { slug status members { user { email } } } memberships { tenant { slug } } } }';
    const { data, errors } = await app.ask(query, inOne);
    expect(errors).toBeUndefined();
    expect(data?.viewer).toEqual({
      tenant: { slug: 'one', status: 'ACTIVE', members: [{ user: { email: 'both@x.org' } }] },
      memberships: expect.arrayContaining([{ tenant: { slug: 'one' } }, { tenant: { slug: 'two' } }]),
    });
  });

  it('is not who is in his other tenants', async () => {
    const answer = await app.ask(
      '{ viewer { memberships(first: 10) { tenant { members(first: 10) { user { email } } } } } }',
      inOne,
    );
    expect(answer.data).toEqual({ viewer: null });
    expect(answer.errors?.[0]).toMatchObject({
      message: 'The members of two are only available in a request for that tenant',
      extensions: { code: 'FORBIDDEN' },
    });
    expect(JSON.stringify(answer)).not.toContain('other@x.org');
  });

  it.each(['version', 'behind', 'placement { server database schema }'])(
    'is not what its operators know of it: %s',
    async (field) => {
      const { data, errors } = await app.ask(`{ viewer { tenant { slug ${field} } } }`, inOne);
      expect(errors?.map(({ message, extensions }) => [extensions.code, message])).toEqual([
        ['FORBIDDEN', 'Only platform admins may do this'],
      ]);
      expect(Object.values(Object(Object(data).viewer?.tenant))).not.toContainEqual(
        expect.stringMatching(/shared|shop/),
      );
      const asAdmin = await app.ask(`{ tenant(slug: "one") { ${field} } }`, app.admin);
      expect(asAdmin.errors).toBeUndefined();
    },
  );
});
