import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  codeOf,
  login,
  loginText,
  type Person,
  payload,
  personOf,
  refreshText,
  register,
} from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('a session', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app[Symbol.asyncDispose]());

  const sql = (text: string, values: unknown[] = []) =>
    app.services.catalog.use(async (client) => (await client.query(text, values)).rows);
  const refresh = (token: string) => app.ask(refreshText(token));
  const somebody = () => register(app, `${randomUUID()}@example.com`);
  const answerTo = async (headers: Record<string, string>) => codeOf(await app.ask('{ viewer { role } }', headers));
  /** A session is remembered for seconds, and forgotten when `auth` tells that it has ended. */
  const refused = (person: Person) =>
    vi.waitFor(async () => expect(await answerTo(person.headers)).toBe('UNAUTHENTICATED'), 3_000);

  it('continues with a new pair of tokens for each refresh token', async () => {
    let person = await somebody();
    const seen = new Set([person.refreshToken]);
    for (let round = 0; round < 3; round++) {
      person = personOf(await refresh(person.refreshToken));
      expect(await answerTo(person.headers)).toBeUndefined();
      seen.add(person.refreshToken);
    }
    expect(seen.size).toBe(4);
  });

  /** As if the tokens had been used longer ago than they may be used again. */
  const later = () => sql(`UPDATE refresh_tokens SET used_at = used_at - interval '31 seconds'`);

  it('ends when an old refresh token is reused, for the thief and for the victim', async () => {
    const victim = await somebody();
    const thief = personOf(await refresh(victim.refreshToken));
    await later();
    expect(codeOf(await refresh(victim.refreshToken))).toBe('UNAUTHENTICATED');
    expect(codeOf(await refresh(thief.refreshToken))).toBe('UNAUTHENTICATED');
    await refused(thief);
    await refused(victim);
  });

  it('continues when one refresh token is used twice at the same moment', async () => {
    const person = await somebody();
    const answers = await Promise.all(Array.from({ length: 4 }, () => refresh(person.refreshToken)));
    const tokens = answers.map((answer) => personOf(answer).refreshToken);
    expect(new Set(tokens).size).toBe(4);
    await later();
    for (const token of tokens) personOf(await refresh(token));
    expect(codeOf(await refresh(person.refreshToken))).toBe('UNAUTHENTICATED');
    expect(codeOf(await refresh(tokens[0] ?? ''))).toBe('UNAUTHENTICATED');
  });

  it('continues with a refresh token that was issued before tokens had families', async () => {
    const person = await somebody();
    await sql('UPDATE sessions SET family = gen_random_uuid() WHERE user_id = $1', [person.id]);
    const next = personOf(await refresh(person.refreshToken));
    expect(next.refreshToken.slice(0, 20)).not.toBe(person.refreshToken.slice(0, 20));
    personOf(await refresh(next.refreshToken));
  });

  it('is one of a hundred that a user has at most; the oldest ends', async () => {
    const person = await somebody();
    await sql(
      `INSERT INTO sessions (user_id, expires_at, created_at)
       SELECT $1, now() + interval '1 day', now() + n * interval '1 ms' FROM generate_series(1, 99) AS n`,
      [person.id],
    );
    expect(codeOf(await refresh(person.refreshToken))).toBeUndefined();
    await sql(`UPDATE sessions SET created_at = created_at - interval '1 minute' WHERE user_id = $1`, [person.id]);
    await login(app, person.email);
    expect(await sql('SELECT FROM sessions WHERE user_id = $1', [person.id])).toHaveLength(100);
    await refused(person);
  });

  it('ends with logout, its access tokens too, and leaves the user’s others alone', async () => {
    const one = await somebody();
    const other = await login(app, one.email);
    const out = (token: string) => app.ask(`mutation { logout(refreshToken: "${token}") }`);
    expect(await out(one.refreshToken)).toEqual({ data: { logout: true } });
    expect(codeOf(await refresh(one.refreshToken))).toBe('UNAUTHENTICATED');
    await refused(one);
    expect(await answerTo(other.headers)).toBeUndefined();
    expect(await out(one.refreshToken)).toEqual({ data: { logout: true } });
    expect(await out('nonsense')).toEqual({ data: { logout: true } });
  });

  it('ends at its time', async () => {
    const person = await somebody();
    await sql(`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE user_id = $1`, [person.id]);
    expect(codeOf(await refresh(person.refreshToken))).toBe('UNAUTHENTICATED');
    await somebody();
    expect(await sql('SELECT FROM sessions WHERE user_id = $1', [person.id])).toEqual([]);
  });

  it('ends when the account is deactivated, and does not come back with it', async () => {
    const person = await somebody();
    expect(await answerTo(person.headers)).toBeUndefined();
    const without = {
      authorization: `Bearer ${await app.services.tokens.issue({ subject: person.id, expiresIn: '1h' })}`,
    };
    expect(await answerTo(without)).toBeUndefined();
    const set = (active: boolean) =>
      app.ask(`mutation { setUserActive(user: "${person.id}", active: ${active}) { email } }`, app.admin);
    expect(await set(false)).toEqual({ data: { setUserActive: { email: person.email } } });
    await refused(person);
    await refused({ ...person, headers: without });
    expect(codeOf(await refresh(person.refreshToken))).toBe('UNAUTHENTICATED');
    await set(true);
    expect(codeOf(await app.ask(loginText(person.email)))).toBeUndefined();
    expect(codeOf(await refresh(person.refreshToken))).toBe('UNAUTHENTICATED');
    expect(codeOf(await app.ask('mutation { setUserActive(user: "x", active: false) { id } }', app.admin))).toBe(
      'NOT_FOUND',
    );
  });

  it('of one whose account is gone is refused, and its token is not taken for a stranger’s', async () => {
    const person = await somebody();
    const { tokens } = app.services;
    const claims = { subject: person.id, tenant: 'acme', role: 'OWNER', session: randomUUID(), expiresIn: '1h' };
    await sql('DELETE FROM users WHERE id = $1', [person.id]);
    await refused(person);
    expect(await answerTo({ authorization: `Bearer ${await tokens.issue(claims)}` })).toBe('UNAUTHENTICATED');
    const nonsense = await tokens.issue({ ...claims, session: 'none' });
    expect(await answerTo({ authorization: `Bearer ${nonsense}` })).toBe('UNAUTHENTICATED');
  });

  it('continues when its user changes the password, and the others end', async () => {
    const thief = await somebody();
    const owner = await login(app, thief.email);
    const change = (from: string, to: string) =>
      app.ask(
        `mutation { changePassword(input: { currentPassword: "${from}", newPassword: "${to}" }) }`,
        owner.headers,
      );
    const next = 'another horse altogether';
    expect(codeOf(await change('a wrong password', next))).toBe('BAD_USER_INPUT');
    expect(codeOf(await change('correct horse battery staple', 'short'))).toBe('BAD_USER_INPUT');
    expect(await answerTo(thief.headers)).toBeUndefined();
    expect(await change('correct horse battery staple', next)).toEqual({ data: { changePassword: true } });
    await refused(thief);
    expect(codeOf(await refresh(thief.refreshToken))).toBe('UNAUTHENTICATED');
    expect(codeOf(await refresh(owner.refreshToken))).toBeUndefined();
    expect(codeOf(await app.ask(loginText(owner.email)))).toBe('UNAUTHENTICATED');
    await login(app, owner.email, next);
  });

  it('that names another tenant has another refresh token, and the one before ends it', async () => {
    const person = await somebody();
    await app.ask(
      'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }',
      app.admin,
    );
    await sql(`INSERT INTO memberships SELECT $1, id, 'MEMBER' FROM tenants WHERE slug = 'acme'`, [person.id]);
    const switched = personOf(await app.ask(`mutation { switchTenant(tenant: "acme") ${payload} }`, person.headers));
    const next = await refresh(switched.refreshToken);
    expect(next.data).toMatchObject({ refreshToken: { viewer: { tenant: { slug: 'acme' }, role: 'MEMBER' } } });
    await sql('DELETE FROM memberships WHERE user_id = $1', [person.id]);
    const later = await refresh(personOf(next).refreshToken);
    expect(later.data).toMatchObject({ refreshToken: { viewer: { tenant: null, role: null } } });
    expect(codeOf(await refresh(person.refreshToken))).toBe('UNAUTHENTICATED');
    expect(codeOf(await refresh(personOf(later).refreshToken))).toBe('UNAUTHENTICATED');
  });

  it('is kept as a hash of its refresh token, never as the token', async () => {
    const { refreshToken } = await somebody();
    const rows = await sql(`SELECT encode(hash, 'base64') || encode(hash, 'escape') AS text FROM refresh_tokens`);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.some(({ text }) => text.includes(refreshToken))).toBe(false);
    expect(Buffer.from(refreshToken, 'base64url')).toHaveLength(32);
  });
});
