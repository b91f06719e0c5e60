import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { describeSettings } from '../../src/config/settings.ts';
import { problemsOf } from '../support/config-problems.ts';

describe('settings', () => {
  it('are all listed in .env.example; npm run env-example updates it', () => {
    expect(readFileSync('.env.example', 'utf8')).toBe(describeSettings());
  });

  it('are all reported together when they are wrong, each by name', () => {
    const problems = problemsOf({ PORT: '99999', JWT_SECRET: 'short', GRAPHIQL: 'maybe', DB_HOST: 'x' });
    for (const name of ['PORT', 'JWT_SECRET', 'GRAPHIQL', 'DB_USERNAME', 'DB_PASSWORD']) {
      expect(
        problems.some((problem) => problem.startsWith(name)),
        name,
      ).toBe(true);
    }
  });

  it('never repeat a secret in a message', () => {
    expect(problemsOf({ JWT_SECRET: 'hunter2', ROLE_SECRET: 'hunter3' }).join()).not.toMatch(/hunter/);
  });

  it.each([
    [{ DATABASE_URL: 'postgres://u:p%40ss@db:6543/main' }, { host: 'db', port: 6543, user: 'u', password: 'p@ss' }],
    [{ ADMIN_CONN_STR: 'postgresql+psycopg2://u:p@db/postgres' }, { host: 'db', port: 5432, user: 'u', password: 'p' }],
    [
      { DB_HOST: 'db', DB_PORT: '5433', DB_USERNAME: 'u', DB_PASSWORD: 'p' },
      { host: 'db', port: 5433, user: 'u', password: 'p' },
    ],
    [
      {
        DATABASE_URL:
          'postgres://u:p@one,[::1]:5433,two:6432/main?sslmode=require&target_session_attrs=read-write&connect_timeout=3',
      },
      {
        host: 'one',
        port: 5432,
        otherHosts: [
          { host: '::1', port: 5433 },
          { host: 'two', port: 6432 },
        ],
        accepts: 'read-write',
        connectTimeoutMs: 3000,
        maintenanceDatabase: 'main',
        ssl: { rejectUnauthorized: false },
      },
    ],
  ])('name the server in any of three ways, and where else it may be: %o', (env, server) => {
    expect(loadConfig(env).server).toMatchObject(server);
  });

  it.each([
    ['postgres://u:p@one:5432,two:port/main', 'DATABASE_URL has a port that is not a number'],
    ['postgres://u:p@one,two/main?target_session_attrs=standby', 'has target_session_attrs standby'],
    ['postgres://u:p@one,two/main?connect_timeout=0', 'has connect_timeout 0'],
  ])('refuse %s', (DATABASE_URL, problem) => {
    expect(problemsOf({ DATABASE_URL })).toEqual([expect.stringContaining(problem)]);
  });

  it('trust an identity provider’s claim of a platform admin only if a setting says so', () => {
    const trusted = (env: Record<string, string>) => loadConfig(env).accounts.trustedClaims;
    expect(trusted({})).toMatchObject({ admin: true, adminOfProvider: false });
    expect(trusted({ TRUST_ADMIN_CLAIM: 'yes' })).toMatchObject({ admin: true, adminOfProvider: true });
    expect(trusted({ TRUST_ADMIN_CLAIM: 'no' })).toMatchObject({ admin: false, adminOfProvider: false });
  });

  const keys = { JWT_JWKS_URL: 'https://id.example.com/keys', JWT_ISSUER: 'https://id.example.com/' };
  const provider = { issuer: 'https://id.example.com/', url: 'https://id.example.com/keys' };
  const list = (...entries: object[]) => ({ JWT_JWKS_URL: JSON.stringify(entries) });
  const own = { JWT_SECRET: 'x'.repeat(32) };

  it('name one identity provider by its address, or several in a list, with what they have in common beside it', () => {
    const common = { JWT_AUDIENCE: 'api', TENANT_CLAIM: 'org.slug', USER_CLAIM: 'uid', LINK_BY_EMAIL: 'yes' };
    const claims = { user: 'uid', email: 'email', emailVerified: 'email_verified', tenant: 'org.slug', roles: 'role' };
    const expected = {
      issuer: provider.issuer,
      jwksUrl: provider.url,
      audiences: ['api'],
      claims,
      linkByEmail: true,
    };
    expect(loadConfig({ ...keys, ...common }).tokens).toMatchObject({ keys: { kind: 'none' }, providers: [expected] });
    const other = { issuer: 'b', url: 'http://b/keys', audience: 'b', userClaim: 'sub', linkByEmail: false };
    expect(loadConfig({ ...own, ...common, ...list(provider, other) }).tokens).toMatchObject({
      keys: { kind: 'secret' },
      providers: [
        expected,
        {
          issuer: 'b',
          jwksUrl: 'http://b/keys',
          audiences: ['b'],
          claims: { ...claims, user: 'sub' },
          linkByEmail: false,
        },
      ],
    });
  });

  it.each([
    [
      'an issuer that nobody names',
      { JWT_JWKS_URL: keys.JWT_JWKS_URL },
      /^JWT_ISSUER must be set together with JWT_JWKS_URL/,
    ],
    ['something else than an address', { ...keys, JWT_JWKS_URL: 'id.example.com' }, /^JWT_JWKS_URL must be a URL/],
    ['a list that is no JSON', { JWT_JWKS_URL: '[{' }, /^JWT_JWKS_URL must be a list of identity providers/],
    ['a list of none', { JWT_JWKS_URL: '[]' }, /^JWT_JWKS_URL must be a list of identity providers/],
    ['a provider without an issuer', list(provider, { url: 'https://b/' }), /^JWT_JWKS_URL .*entry 2, issuer/],
    ['a provider without keys', list({ issuer: 'b' }), /^JWT_JWKS_URL .*entry 1, url/],
    [
      'a provider with a file for keys',
      list({ issuer: 'b', url: 'file:///etc/passwd' }),
      /^JWT_JWKS_URL .*entry 1, url/,
    ],
    ['a word that nobody knows', list({ ...provider, audiance: 'x' }), /^JWT_JWKS_URL .*entry 1.*audiance/],
    ['an issuer twice', list(provider, provider), /^JWT_JWKS_URL names an issuer twice/],
    ['one issuer for them and us', { ...own, ...keys }, /^JWT_JWKS_URL must be a list that names issuers/],
    [
      'our issuer in the list',
      { ...own, JWT_ISSUER: 'us', ...list({ ...provider, issuer: 'us' }) },
      /which is JWT_ISSUER/,
    ],
    ['a secret and keys', { ...own, JWT_PRIVATE_KEY: 'x' }, /^JWT_SECRET and JWT_PRIVATE_KEY are set/],
    ['a claim that is no path', { ROLES_CLAIM: 'realm_access..roles' }, /^ROLES_CLAIM must be a path/],
  ])('are refused when they have %s', (_what, env: Record<string, string>, problem) => {
    expect(problemsOf(env)).toEqual([expect.stringMatching(problem)]);
  });

  it('ask for real keys and a real database in production, and hide GraphiQL and introspection there', () => {
    const names = problemsOf({ NODE_ENV: 'production' }).map((problem) => problem.split(' ')[0]);
    expect(names).toEqual(['DATABASE_URL', 'JWT_PRIVATE_KEY,', 'ROLE_SECRET']);
    const { graphql } = loadConfig({
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://u:p@db/postgres',
      JWT_SECRET: 'x'.repeat(32),
      ROLE_SECRET: 'y'.repeat(32),
    });
    expect(graphql).toMatchObject({ graphiql: false, introspection: false });
  });

  it('must say in production which audience the tokens of identity providers name, or that any is meant', () => {
    const production = {
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://u:p@db/postgres',
      ROLE_SECRET: 'y'.repeat(32),
    };
    const missing = [expect.stringMatching(/^JWT_AUDIENCE must be set together with JWT_JWKS_URL .* or \* to accept/)];
    expect(problemsOf({ ...production, ...keys })).toEqual(missing);
    expect(problemsOf(keys)).toEqual([]);
    expect(
      problemsOf({ ...production, ...list({ ...provider, audience: 'a' }, { issuer: 'b', url: 'http://b/' }) }),
    ).toEqual([expect.stringMatching(/^JWT_AUDIENCE must be set .* of b name/)]);
    const audiences = (env: Record<string, string>) =>
      loadConfig({ ...production, ...env }).tokens.providers.map((each) => each.audiences);
    expect(audiences({ ...keys, JWT_AUDIENCE: 'api' })).toEqual([['api']]);
    expect(audiences({ ...keys, JWT_AUDIENCE: 'api, web' })).toEqual([['api', 'web']]);
    expect(audiences(list({ ...provider, audience: ['a', 'b'] }))).toEqual([['a', 'b']]);
    expect(audiences({ ...keys, JWT_AUDIENCE: '*' })).toEqual([undefined]);
    expect(audiences(list({ ...provider, audience: '*' }))).toEqual([undefined]);
    expect(loadConfig({ ...own, JWT_AUDIENCE: '*' }).tokens.audiences).toBeUndefined();
  });
});
