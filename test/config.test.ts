import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../src/config.ts';
import { describeSettings } from '../src/settings.ts';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  it('are all listed in .env.example; npm run env-example writes it anew', () => {
    expect(readFileSync('.env.example', 'utf8')).toBe(describeSettings());
  });

  it('are told all at once when they are wrong, each by its name', () => {
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
  ])('name the server in any of three ways: %o', (env, server) => {
    expect(loadConfig(env).server).toMatchObject(server);
  });

  it('believe an identity provider’s claim of a platform admin only when told to', () => {
    const trusted = (env: Record<string, string>) => loadConfig(env).accounts.trustedClaims.admin;
    expect(trusted({})).toBe(true);
    expect(trusted({ JWT_JWKS_URL: 'https://id.example.com/keys' })).toBe(false);
    expect(trusted({ JWT_JWKS_URL: 'https://id.example.com/keys', TRUST_ADMIN_CLAIM: 'yes' })).toBe(true);
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
});
