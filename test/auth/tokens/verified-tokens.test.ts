import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadTokenKeys } from '../../../src/auth/tokens/keys.ts';
import { createTokens, type Tokens } from '../../../src/auth/tokens/tokens.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { codeOf, join, login, type Person, password, register } from '../../support/accounts.ts';
import { makeKey, startProvider, type TestProvider } from '../../support/identity-provider.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';

/** The keys of a provider are fetched again after this time. */
const REFRESH_MS = 10 * 60_000;

afterEach(() => void vi.restoreAllMocks());

async function tokensOf(env: Record<string, string>): Promise<Tokens> {
  const config = loadConfig(env).tokens;
  return createTokens(await loadTokenKeys(config.keys, 'unused'), config, pino({ level: 'silent' }));
}

/** The number of signatures that are verified while `work` runs. */
async function signaturesDuring(work: () => Promise<unknown>): Promise<number> {
  const verify = vi.spyOn(crypto.subtle, 'verify');
  await work();
  return verify.mock.calls.length;
}

describe('a token that was verified before', () => {
  let tokens: Tokens;
  beforeEach(async () => {
    tokens = await tokensOf({ JWT_SECRET: 'x'.repeat(32) });
  });
  afterEach(() => void vi.useRealTimers());

  it('is accepted with the same claims, without verifying its signature again', async () => {
    const token = await tokens.issue({ subject: 'ada', tenant: 'acme', expiresIn: '1h' });
    const first = await tokens.verify(token);
    expect(first).toMatchObject({ subject: 'ada', tenant: 'acme' });
    expect(await signaturesDuring(async () => expect(await tokens.verify(token)).toEqual(first))).toBe(0);
  });

  it('is refused when it has expired', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const token = await tokens.issue({ subject: 'ada', expiresIn: '60s' });
    await tokens.verify(token);
    const start = Math.floor(Date.now() / 1000) * 1000;
    // Clocks may differ by five seconds.
    vi.setSystemTime(start + 64_000);
    await expect(tokens.verify(token)).resolves.toMatchObject({ subject: 'ada' });
    vi.setSystemTime(start + 66_000);
    await expect(tokens.verify(token)).rejects.toMatchObject({ message: 'The token has expired' });
  });

  it('says nothing about a token with another signature', async () => {
    const token = await tokens.issue({ subject: 'ada', expiresIn: '1h' });
    await tokens.verify(token);
    const parts = token.split('.');
    const forged = [...parts.slice(0, 2), `${parts[2]?.startsWith('A') ? 'B' : 'A'}${parts[2]?.slice(1)}`].join('.');
    for (let round = 0; round < 2; round += 1) {
      await expect(tokens.verify(forged)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    }
  });

  it('is refused by a server with another key', async () => {
    const token = await tokens.issue({ subject: 'ada', expiresIn: '1h' });
    await tokens.verify(token);
    const other = await tokensOf({ JWT_SECRET: 'y'.repeat(32) });
    await expect(other.verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('a token of an identity provider that was verified before', () => {
  const known = makeKey('known');
  let provider: TestProvider;
  let tokens: Tokens;
  let token: string;
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    provider = await startProvider(known);
    tokens = await tokensOf({ JWT_JWKS_URL: provider.jwksUrl, JWT_ISSUER: provider.issuer });
    token = await provider.token(known, { sub: 'ada' });
    await tokens.verify(token);
  });
  afterEach(async () => {
    vi.useRealTimers();
    await provider[Symbol.asyncDispose]();
  });

  const refusedSoon = () =>
    vi.waitFor(async () => await expect(tokens.verify(token)).rejects.toMatchObject({ name: 'AppError' }));

  it('is accepted without verifying its signature again, until the keys are fetched', async () => {
    expect(await signaturesDuring(() => tokens.verify(token))).toBe(0);
    vi.setSystemTime(Date.now() + REFRESH_MS + 1);
    await tokens.verify(token);
    await vi.waitUntil(() => provider.fetches === 2);
    await vi.waitFor(async () => expect(await signaturesDuring(() => tokens.verify(token))).toBe(1));
    vi.restoreAllMocks();
    expect(await signaturesDuring(() => tokens.verify(token))).toBe(0);
  });

  it('is refused after its key is withdrawn, as soon as a token that was never verified would be', async () => {
    provider.publish(makeKey('fresh'));
    vi.setSystemTime(Date.now() + REFRESH_MS + 1);
    await tokens.verify(token);
    await refusedSoon();
  });

  it('is refused when another key is published under the same id', async () => {
    provider.publish(makeKey('known'));
    vi.setSystemTime(Date.now() + REFRESH_MS + 1);
    await tokens.verify(token);
    await refusedSoon();
  });
});

describe('a token that was used before', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
  });
  afterAll(() => app[Symbol.asyncDispose]());

  const products = '{ products { totalCount } }';
  const viewer = '{ viewer { role } }';
  const member = () => join(app, `${randomUUID()}@example.com`, 'acme', 'MEMBER');
  /** Uses the token twice, so that it is certainly remembered. */
  const use = async ({ headers }: Pick<Person, 'headers'>, query: string) => {
    for (let round = 0; round < 2; round += 1) expect(codeOf(await app.ask(query, headers))).toBeUndefined();
  };
  /** A change in `auth` reaches every server in a moment. */
  const becomes = ({ headers }: Pick<Person, 'headers'>, query: string, code: string) =>
    vi.waitFor(async () => expect(codeOf(await app.ask(query, headers))).toBe(code), 3_000);
  const admin = async (mutation: string) =>
    expect((await app.ask(`mutation { ${mutation} }`, app.admin)).errors).toBeUndefined();

  it('is refused when its session ends', async () => {
    const person = await member();
    await use(person, products);
    await app.ask(`mutation { logout(refreshToken: "${person.refreshToken}") }`);
    await becomes(person, products, 'UNAUTHENTICATED');
  });

  it('is refused when its session ends in the database', async () => {
    const person = await member();
    await use(person, products);
    await app.services.catalog.use((client) => client.query('DELETE FROM sessions WHERE user_id = $1', [person.id]));
    // Nobody has sent a notification, so the cached answer expires after five seconds.
    await vi.waitFor(
      async () => expect(codeOf(await app.ask(products, person.headers))).toBe('UNAUTHENTICATED'),
      9_000,
    );
  });

  it('is refused when its user is deactivated', async () => {
    const person = await member();
    await use(person, products);
    await admin(`setUserActive(user: "${person.id}", active: false) { email }`);
    await becomes(person, products, 'UNAUTHENTICATED');
  });

  it('is refused when its user changes the password elsewhere', async () => {
    const person = await member();
    const elsewhere = await login(app, person.email, password, 'acme');
    await use(person, products);
    const change = `mutation { changePassword(input: { currentPassword: "${password}", newPassword: "another long password here" }) }`;
    expect((await app.ask(change, elsewhere.headers)).errors).toBeUndefined();
    await becomes(person, products, 'UNAUTHENTICATED');
  });

  it('has no access to the tenant when its user is no longer a member', async () => {
    const person = await member();
    await use(person, products);
    await admin(`removeMember(tenant: "acme", user: "${person.id}")`);
    await becomes(person, products, 'FORBIDDEN');
  });

  it('has the role that its user has now', async () => {
    const person = await member();
    await use(person, viewer);
    await admin(`setMemberRole(tenant: "acme", user: "${person.id}", role: ADMIN) { role }`);
    await vi.waitFor(
      async () => expect((await app.ask(viewer, person.headers)).data).toEqual({ viewer: { role: 'ADMIN' } }),
      3_000,
    );
  });

  it('is no longer a platform admin’s when its user is none', async () => {
    const person = await register(app, `${randomUUID()}@example.com`);
    const tenants = '{ tenants { totalCount } }';
    const set = (isAdmin: boolean) =>
      admin(`setPlatformAdmin(user: "${person.id}", isPlatformAdmin: ${isAdmin}) { email }`);
    await set(true);
    await vi.waitFor(async () => expect(codeOf(await app.ask(tenants, person.headers))).toBeUndefined(), 3_000);
    await use(person, tenants);
    await set(false);
    await becomes(person, tenants, 'FORBIDDEN');
  });
});
