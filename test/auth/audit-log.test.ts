import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  acceptText,
  codeOf,
  invitationsOf,
  loginText,
  type Person,
  password,
  refreshText,
  register,
} from '../support/accounts.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

interface Entry {
  readonly actor: string;
  readonly action: string;
  readonly outcome: string;
  readonly tenant: { readonly slug: string } | null;
  readonly user: { readonly id: string } | null;
  readonly address: string | null;
  readonly details: string | null;
  readonly count: number;
}

describe('the audit log', () => {
  let app: TestApp;
  let server: Listening;
  let owner: Person;
  /** The id of its newest entry before the test. */
  let before: string;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema', SIGN_IN_LIMIT_ACCOUNT: '3' });
    server = await listen(app.yoga);
    owner = await register(app, 'owner@example.com');
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', owner.headers);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  const sql = (text: string, values: unknown[] = []) =>
    app.services.catalog.use(async (client) => (await client.query(text, values)).rows);
  beforeEach(async () => {
    const [row] = await sql('SELECT coalesce(max(id), 0)::text AS id FROM audit_log');
    before = row?.id ?? '0';
  });

  /** What was added since the test began, oldest first. */
  async function added(): Promise<Entry[]> {
    const fields = 'id actor action outcome tenant { slug } user { id } address details count';
    const { data } = await app.ask(`{ auditLog(first: 100) { nodes { ${fields} } } }`, app.admin);
    // What this query asks for.
    const { nodes } = (data?.auditLog ?? {}) as { nodes: (Entry & { id: string })[] };
    return nodes.filter(({ id }) => BigInt(id) > BigInt(before)).reverse();
  }
  const brief = async () => (await added()).map(({ actor, action, outcome }) => `${actor} ${action} ${outcome}`);

  it('has every sign-in, failed or not, with the address that it came from, and no secret', async () => {
    await server.post({ query: loginText(owner.email, 'a wrong password') });
    await server.post({ query: loginText('nobody@example.com', 'a wrong password') });
    await server.post({ query: loginText(owner.email, password, 'acme') });
    await server.post({ query: loginText(owner.email, password, 'acme') }, app.admin);
    const entries = await added();
    expect(entries.map(({ actor, action, outcome }) => `${actor} ${action} ${outcome}`)).toEqual([
      'owner@example.com login UNAUTHENTICATED',
      'nobody@example.com login UNAUTHENTICATED',
      'owner@example.com login OK',
      'owner@example.com login OK',
    ]);
    expect(entries[2]).toMatchObject({ address: '127.0.0.1', tenant: { slug: 'acme' } });
    expect(entries.map(({ user }) => user?.id)).toEqual([undefined, undefined, owner.id, owner.id]);
    expect(JSON.stringify(entries)).not.toMatch(/password|horse/);
  });

  it('has the reuse of a refresh token, with whose it is, and no token', async () => {
    const victim = await register(app, 'victim@example.com');
    await app.ask(refreshText(victim.refreshToken));
    await sql(`UPDATE refresh_tokens SET used_at = used_at - interval '31 seconds'`);
    await app.ask(refreshText(victim.refreshToken));
    await app.ask(refreshText(victim.refreshToken));
    expect(await brief()).toEqual([
      'victim@example.com register OK',
      'victim@example.com refreshToken UNAUTHENTICATED',
    ]);
    expect(JSON.stringify(await added())).not.toContain(victim.refreshToken);
  });

  it('records a sign-in under the account that signs in, whatever token is sent along', async () => {
    const other = await register(app, 'other@example.com');
    await app.ask(loginText(owner.email, 'a wrong password'), other.headers);
    await app.ask(loginText(owner.email), other.headers);
    expect((await added()).slice(1).map(({ actor, user }) => `${actor} ${user?.id}`)).toEqual([
      `${owner.email} undefined`,
      `${owner.email} ${owner.id}`,
    ]);
  });

  it('has every change of membership, refused ones too', async () => {
    const member = await register(app, 'member@example.com');
    const add = (role: string) =>
      `mutation { addMember(input: { tenant: "acme", email: "${member.email}", role: ${role} }) { role } }`;
    await app.ask(add('OWNER'), member.headers);
    await app.ask(add('MEMBER'), owner.headers);
    const [invitation] = await invitationsOf(app, member);
    expect(invitation?.token).toHaveLength(43);
    await app.ask(acceptText(invitation?.token ?? ''), member.headers);
    await app.ask(
      `mutation { setMemberRole(tenant: "acme", user: "${member.id}", role: ADMIN) { role } }`,
      owner.headers,
    );
    await app.ask(`mutation { removeMember(tenant: "acme", user: "${owner.id}") }`, member.headers);
    await app.ask(`mutation { removeMember(tenant: "acme", user: "${member.id}") }`, owner.headers);
    const entries = (await added()).slice(1);
    expect(entries.map(({ actor, action, outcome }) => `${actor} ${action} ${outcome}`)).toEqual([
      'member@example.com addMember NOT_FOUND',
      'owner@example.com addMember OK',
      'member@example.com acceptInvitation OK',
      'owner@example.com setMemberRole OK',
      'member@example.com removeMember FORBIDDEN',
      'owner@example.com removeMember OK',
    ]);
    for (const { tenant } of entries) expect(tenant).toEqual({ slug: 'acme' });
    expect(JSON.stringify(entries)).not.toContain(invitation?.token);
    expect(JSON.parse(entries[3]?.details ?? '')).toEqual({ tenant: 'acme', user: member.id, role: 'ADMIN' });
  });

  it('has every mutation of a platform admin, failed and refused ones too', async () => {
    await app.ask('mutation { createTenant(input: { slug: "made", name: "Made" }) { id } }', app.admin);
    await app.ask('mutation { createTenant(input: { slug: "made", name: "Made" }) { id } }', app.admin);
    await app.ask('mutation { runMigrations(input: { wait: true }) { id } }', owner.headers);
    await app.ask('mutation { runMigrations(input: { wait: true }) { id } }', app.admin);
    expect(await brief()).toEqual([
      'a platform admin createTenant OK',
      'a platform admin createTenant SLUG_TAKEN',
      'owner@example.com runMigrations FORBIDDEN',
      'a platform admin runMigrations OK',
    ]);
    expect((await added())[0]?.tenant).toEqual({ slug: 'made' });
  });

  it('has what a platform admin does in a tenant, and not what its members do', async () => {
    const product = 'mutation { createProduct(input: { sku: "a", name: "A", price: "1", currency: "EUR" }) { sku } }';
    expect(codeOf(await app.ask(product, await app.tokenFor('acme')))).toBeUndefined();
    await app.ask('{ products { totalCount } }', await app.tokenFor('acme'));
    const inside = { ...app.admin, 'x-tenant': 'acme' };
    await app.ask(product.replace('"a"', '"b"'), inside);
    await app.ask('query Look { products { totalCount } }', inside);
    const entries = await added();
    expect(entries.map(({ action, outcome, tenant }) => `${action} ${outcome} ${tenant?.slug}`)).toEqual([
      'createProduct OK acme',
      'query Look OK acme',
    ]);
  });

  it('has that a platform admin in a tenant subscribes to something', async () => {
    const run = await app.ask('mutation { runMigrations(input: { wait: true }) { id } }', app.admin);
    // What this mutation asks for.
    const { id } = (run.data?.runMigrations ?? {}) as { id: string };
    const inside = { ...app.admin, 'x-tenant': 'acme', accept: 'text/event-stream' };
    await server.post({ query: `subscription Watch { migrationProgress(run: "${id}") { seq } }` }, inside);
    await vi.waitFor(async () => {
      const [, entry] = await added();
      expect(entry).toMatchObject({ action: 'subscription Watch', outcome: 'OK', tenant: { slug: 'acme' } });
    });
  });

  it('cannot be filled by strangers', async () => {
    // More than an address can have is refused before it is written anywhere.
    await app.ask(loginText('x'.repeat(1000)));
    await app.ask(loginText(`${'x'.repeat(240)}\\u0000\\u202e`));
    const [first] = await added();
    expect(first?.actor).toBe(`${'x'.repeat(240)}\uFFFD`);
    expect(first?.details?.length).toBeLessThanOrEqual(4000);
    for (let round = 0; round < 6; round++) await app.ask(loginText('flooded@example.com'));
    await app.ask('mutation { logout(refreshToken: "x") }');
    await app.ask(refreshText('nonsense'));
    await app.ask('mutation { runMigrations { id } }');
    const entries = await added();
    // One more where a minute has just begun.
    expect(entries.length).toBeLessThanOrEqual(3);
    const counts = entries.map(({ action, outcome, count }) => (action === 'login' && outcome !== 'OK' ? count : 0));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(4);
    expect(counts).not.toContain(0);
  });

  it('can be changed neither by the server’s role nor by the database’s owner', async () => {
    const statements = [
      `UPDATE audit_log SET actor = 'somebody else'`,
      'DELETE FROM audit_log',
      'TRUNCATE audit_log',
      'DELETE FROM audit_log WHERE false',
      `UPDATE audit_log SET count = 0`,
      `UPDATE audit_log SET count = count + 1, last_at = now() WHERE repeat_key IS NULL`,
      `UPDATE audit_log SET count = count + 1, last_at = at - interval '1 day'`,
      `UPDATE audit_log SET repeat_key = NULL`,
    ];
    const { config, servers } = app.services;
    for (const statement of statements) {
      await expect(sql(statement)).rejects.toMatchObject({ code: '42501' });
      const owned = servers.get('default')?.owner(config.databases.auth, (client) => client.query(statement));
      await expect(owned).rejects.toMatchObject({ code: '42501', message: expect.stringContaining('only added') });
    }
    const asReplica = servers.get('default')?.owner(config.databases.auth, async (client) => {
      await client.query('SET session_replication_role = replica');
      await client.query('DELETE FROM audit_log');
    });
    await expect(asReplica).rejects.toMatchObject({ code: '42501', message: expect.stringContaining('only added') });
    const [old] = await sql(
      `INSERT INTO audit_log (actor, action, outcome, repeat_key) VALUES ('a', 'b', 'c', '2026-01-01T00:00 x') RETURNING id`,
    );
    const later = 'UPDATE audit_log SET count = count + 1, last_at = now() WHERE id = $1';
    await expect(sql(later, [old?.id])).rejects.toMatchObject({ code: '42501' });
    await expect(sql('ALTER TABLE audit_log DISABLE TRIGGER ALL')).rejects.toMatchObject({ code: '42501' });
    await expect(sql(`INSERT INTO audit_log (id, actor, action, outcome) VALUES (1, 'a', 'b', 'c')`)).rejects.toThrow();
  });

  it('is read in pages, newest first, by tenant, actor, action and outcome', async () => {
    const ask = async (args: string) => {
      const { data, errors } = await app.ask(
        `{ auditLog(${args}) { totalCount pageInfo { endCursor } nodes { actor action outcome tenant { slug } } } }`,
        app.admin,
      );
      expect(errors).toBeUndefined();
      // What this query asks for.
      return data?.auditLog as { totalCount: number; pageInfo: { endCursor: string }; nodes: Entry[] };
    };
    const all = await ask('first: 100');
    expect(all.totalCount).toBe(all.nodes.length);
    const page = await ask('first: 2');
    const next = await ask(`first: 2, after: "${page.pageInfo.endCursor}"`);
    expect([...page.nodes, ...next.nodes]).toEqual(all.nodes.slice(0, 4));
    const acme = await ask('first: 100, tenant: "acme"');
    expect(acme.nodes).toEqual(all.nodes.filter(({ tenant }) => tenant?.slug === 'acme'));
    expect(acme.totalCount).toBeGreaterThan(3);
    expect((await ask('tenant: "nowhere"')).totalCount).toBe(0);
    const some = await ask('first: 100, filter: { actor: "owner@example.com", action: "login", outcome: "OK" }');
    expect(some.nodes).toEqual(
      all.nodes.filter(({ actor, action, outcome }) => actor === owner.email && action === 'login' && outcome === 'OK'),
    );
    expect(some.totalCount).toBeGreaterThan(0);
  });
});
