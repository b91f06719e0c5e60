import { argon2Sync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, login, loginText, password, payload, personOf, register, registerText } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('accounts', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema', JWT_ISSUER: 'https://tenantry.example' });
    for (const slug of ['acme', 'globex']) {
      const create = `mutation { createTenant(input: { slug: "${slug}", name: "${slug}" }) { id } }`;
      expect((await app.ask(create, app.admin)).errors).toBeUndefined();
    }
  });
  afterAll(() => app[Symbol.asyncDispose]());

  const sql = (text: string, values: unknown[] = []) =>
    app.services.catalog.use(async (client) => (await client.query(text, values)).rows);
  const join = (user: string, slug: string, role = 'MEMBER') =>
    sql('INSERT INTO memberships (user_id, tenant_id, role) SELECT $1, id, $3 FROM tenants WHERE slug = $2', [
      user,
      slug,
      role,
    ]);
  const viewer = (headers: Record<string, string>) =>
    app.ask('{ viewer { user { email } role tenant { slug } memberships { role tenant { slug } } } }', headers);

  it('are created by their owners, which signs them in', async () => {
    const { data } = await app.ask(registerText('Ada@example.com'));
    expect(data).toMatchObject({ register: { viewer: { user: { email: 'Ada@example.com' }, tenant: null } } });
    const ada = await login(app, 'ada@EXAMPLE.com');
    expect((await viewer(ada.headers)).data).toEqual({
      viewer: { user: { email: 'Ada@example.com' }, role: null, tenant: null, memberships: [] },
    });
  });

  it('give access tokens of a quarter of an hour, signed with EdDSA, which say no role', async () => {
    const person = await register(app, 'claims@example.com');
    await join(person.id, 'acme', 'OWNER');
    const { token } = await login(app, 'claims@example.com');
    expect(decodeProtectedHeader(token).alg).toBe('EdDSA');
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({ sub: person.id, iss: 'https://tenantry.example', email: 'claims@example.com' });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(900);
    expect(claims.role).toBeUndefined();
    expect(claims.platform_admin).toBeUndefined();
  });

  it('say when the token expires', async () => {
    const { data } = await app.ask(registerText('expiry@example.com'));
    // What `payload` asks for.
    const { token, expiresAt } = (data?.register ?? {}) as { token: string; expiresAt: string };
    expect(Date.parse(expiresAt)).toBe((decodeJwt(token).exp ?? 0) * 1000);
  });

  it.each([
    ['a short password', registerText('a@example.com', 'elevenchars'), 'password'],
    ['an endless password', registerText('a@example.com', 'x'.repeat(1001)), 'password'],
    ['no email address', registerText('nobody'), 'email'],
    ['no name', registerText('a@example.com').replace('Somebody', ' '), 'name'],
  ])('are not made with %s', async (_what, text, field) => {
    const { errors } = await app.ask(text);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  it('are made once for an address, whatever its letters, also when two ask at once', async () => {
    const answers = await Promise.all(['twin@example.com', 'TWIN@example.com'].map((it) => app.ask(registerText(it))));
    expect(answers.map(codeOf).sort()).toEqual(['CONFLICT', undefined]);
  });

  it('leave no hash of a password in the log of PostgreSQL, also when the address has an account', async () => {
    for (const expected of [undefined, 'CONFLICT']) {
      expect(codeOf(await app.ask(registerText('logged@example.com')))).toBe(expected);
    }
    const log = await readFile(path.join(app.services.config.dataDir, 'postgres.log'), 'utf8');
    expect(log).toContain('ready to accept connections');
    expect(log).not.toContain('argon2id');
  });

  it('answer a wrong password, an unknown address and a deactivated account alike', async () => {
    const gone = await register(app, 'gone@example.com');
    const off = `mutation { setUserActive(user: "${gone.id}", active: false) { id } }`;
    expect(codeOf(await app.ask(off, app.admin))).toBeUndefined();
    await register(app, 'known@example.com');
    const answers = await Promise.all([
      app.ask(loginText('known@example.com', 'a wrong password')),
      app.ask(loginText('unknown@example.com')),
      app.ask(loginText('gone@example.com')),
      app.ask(loginText('no address at all')),
    ]);
    expect(codeOf(answers[0] ?? {})).toBe('UNAUTHENTICATED');
    for (const answer of answers) expect(answer).toEqual({ ...answers[0], errors: answer.errors });
    expect(new Set(answers.map(({ errors }) => errors?.[0]?.message)).size).toBe(1);
  });

  it('are found by addresses with characters that mean something to SQL, and no others are', async () => {
    await register(app, "o'brien+1@example.com");
    expect((await login(app, "O'Brien+1@example.com")).email).toBe("o'brien+1@example.com");
    for (const email of [
      "' OR true --",
      String.raw`\\' OR true --`,
      '?',
      '??',
      ':id',
      '$1',
      '%',
      'o_brien+1@example.com',
    ]) {
      const { errors } = await app.ask(loginText(email));
      expect(errors?.[0]?.message, email).toBe('The email address or the password is wrong');
    }
    expect(codeOf(await app.ask(loginText(String.raw`\u0000`)))).toBe('BAD_USER_INPUT');
  });

  it('keep passwords as argon2id in PHC format, with a salt each', async () => {
    await register(app, 'salt-1@example.com');
    await register(app, 'salt-2@example.com');
    const rows = await sql(`SELECT password_hash FROM users WHERE email LIKE 'salt-%'`);
    const hashes = rows.map(({ password_hash }) => password_hash);
    for (const hash of hashes) {
      expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    }
    expect(new Set(hashes).size).toBe(2);
  });

  it('rehash a password whose hash has a lower work factor, and accept it afterwards', async () => {
    await register(app, 'weak@example.com');
    const salt = Buffer.alloc(16, 7);
    const settings = { parallelism: 1, tagLength: 32, memory: 1024, passes: 1 };
    const tag = argon2Sync('argon2id', { message: password, nonce: salt, ...settings });
    const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
    const weak = `$argon2id$v=19$m=1024,t=1,p=1$${base64(salt)}$${base64(tag)}`;
    const store = `UPDATE users SET password_hash = $1 WHERE email = 'weak@example.com'`;
    const stored = async () => (await sql(`SELECT password_hash FROM users WHERE email = 'weak@example.com'`))[0];
    await sql(store, [weak]);
    expect(codeOf(await app.ask(loginText('weak@example.com', 'a wrong password')))).toBe('UNAUTHENTICATED');
    expect(await stored()).toEqual({ password_hash: weak });
    await login(app, 'weak@example.com');
    expect(await stored()).toEqual({ password_hash: expect.stringContaining('m=19456,t=2') });
    await login(app, 'weak@example.com');
  });

  it('without a password, or with a hash that nobody knows, let nobody in', async () => {
    // An account each, since a few wrong attempts at one are all that anybody has.
    for (const [index, hash] of [null, '', 'plain text', '$2b$12$abcdefghijklmnopqrstuv'].entries()) {
      const email = `odd-${index}@example.com`;
      await register(app, email);
      await sql('UPDATE users SET password_hash = $1 WHERE email = $2', [hash, email]);
      for (const secret of ['', 'plain text', password]) {
        expect(codeOf(await app.ask(loginText(email, secret)))).toBe('UNAUTHENTICATED');
      }
    }
  });

  describe('and tenants', () => {
    it('a token names the only tenant that its user belongs to, else the one that is asked for', async () => {
      const person = await register(app, 'both@example.com');
      await join(person.id, 'acme', 'OWNER');
      const one = await app.ask(loginText('both@example.com'));
      expect(one.data).toMatchObject({ login: { viewer: { tenant: { slug: 'acme' }, role: 'OWNER' } } });
      expect((await viewer(personOf(one).headers)).data).toMatchObject({
        viewer: { role: 'OWNER', tenant: { slug: 'acme' }, memberships: [{ role: 'OWNER', tenant: { slug: 'acme' } }] },
      });
      await join(person.id, 'globex');
      const two = await app.ask(loginText('both@example.com'));
      expect(two.data).toMatchObject({ login: { viewer: { tenant: null, role: null } } });
      const chosen = await app.ask(loginText('both@example.com', password, 'globex'));
      expect(chosen.data).toMatchObject({ login: { viewer: { tenant: { slug: 'globex' }, role: 'MEMBER' } } });
    });

    it('somebody else’s tenant is refused like one that does not exist', async () => {
      await register(app, 'outside@example.com');
      const [existing, missing] = await Promise.all(
        ['acme', 'nowhere'].map((tenant) => app.ask(loginText('outside@example.com', password, tenant))),
      );
      expect(codeOf(existing ?? {})).toBe('FORBIDDEN');
      expect(existing?.errors?.[0]?.message.replace('acme', 'nowhere')).toBe(missing?.errors?.[0]?.message);
    });

    it('switchTenant gives tokens for another of one’s tenants, by slug or id, and no others', async () => {
      const person = await register(app, 'switch@example.com');
      await join(person.id, 'acme');
      await join(person.id, 'globex', 'ADMIN');
      const to = (tenant: string) => `mutation { switchTenant(tenant: "${tenant}") ${payload} }`;
      const switched = await app.ask(to('globex'), person.headers);
      expect(switched.data).toMatchObject({ switchTenant: { viewer: { tenant: { slug: 'globex' }, role: 'ADMIN' } } });
      const [acme] = await sql(`SELECT id FROM tenants WHERE slug = 'acme'`);
      const back = personOf(await app.ask(to(acme?.id), personOf(switched).headers));
      expect((await viewer(back.headers)).data).toMatchObject({ viewer: { tenant: { slug: 'acme' }, role: 'MEMBER' } });
      const stranger = await register(app, 'stranger@example.com');
      expect(codeOf(await app.ask(to('acme'), stranger.headers))).toBe('FORBIDDEN');
      expect(codeOf(await app.ask(to('nowhere'), stranger.headers))).toBe('FORBIDDEN');
      expect(codeOf(await app.ask(to('acme'), app.admin))).toBe('FORBIDDEN');
    });
  });
});

it('with SIGN_UP=false people cannot make accounts', async () => {
  await using app = await startTestApp({ SIGN_UP: 'false' });
  expect(codeOf(await app.ask(registerText('a@example.com')))).toBe('FORBIDDEN');
  expect(await app.services.catalog.use(async (client) => (await client.query('SELECT FROM users')).rowCount)).toBe(0);
});
