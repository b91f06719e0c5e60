import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { User } from '../../src/catalog/entities/user.entity.ts';
import { derivePasswords } from '../../src/postgres/admin/roles.ts';
import { installationRoles, tenantRole } from '../../src/routing/placement.ts';
import { type Listening, listen } from '../support/listen.ts';
import { buildTestSchema } from '../support/product.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const secrets = {
  ROLE_SECRET: 'role-secret-role-secret-role-secret-role',
  JWT_SECRET: 'jwt-secret-jwt-secret-jwt-secret-jwt-secr',
  ownerPassword: 'owner-password-owner',
  password: 'correct-horse-battery-staple',
};

builder.mutationFields((t) => ({
  signIn: t.string({
    nullable: true,
    authScopes: { anyone: true },
    args: { password: t.arg.string({ required: true }) },
    resolve: () => {
      throw new Error('unexpected');
    },
  }),
  keepHash: t.string({
    nullable: true,
    authScopes: { anyone: true },
    args: { password: t.arg.string({ required: true }) },
    resolve: async (_root, { password }, { services }) => {
      const em = services.catalog.fork();
      em.create(User, { email: 'a@example.com', name: 'A\nof two lines', passwordHash: password });
      em.create(User, { email: 'b@example.com', name: 'B', passwordHash: password, isPlatformAdmin: false });
      await em.flush();
      // What an entity with a wrong type would do: PostgreSQL shows the whole row in its error.
      return em.execute('UPDATE users SET active = null WHERE email = ?', ['a@example.com']);
    },
  }),
}));

describe('the log', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  let server: Listening;
  const lines: string[] = [];

  beforeAll(async () => {
    postgres = await startTestPostgres();
    const { ROLE_SECRET, JWT_SECRET } = secrets;
    const env = {
      DATABASE_URL: await postgres.createRole('owner', secrets.ownerPassword),
      ROLE_SECRET,
      JWT_SECRET,
    };
    const log = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
    app = await startTestApp({ ...env, CONNECTION_WAIT_MS: '500' }, { log, schema: await buildTestSchema() });
    server = await listen(app.yoga);
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  it('holds no token, secret or password, whatever goes wrong', async () => {
    const { services } = app;
    const acme = await services.directory.byReference('acme');
    if (!acme) throw new Error('the tenant is missing');
    const member = await app.tokenFor('acme');
    const foreign = { authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJ4IjoxfQ.Zm9yZWlnbi1zaWduYXR1cmU' };
    const products = '{ products { totalCount } }';
    const signIn = 'mutation ($password: String!) { signIn(password: $password) }';
    const keepHash = 'mutation ($password: String!) { keepHash(password: $password) }';
    const variables = { password: secrets.password };
    const requests: [object, Record<string, string>][] = [
      [{ query: products }, member],
      [{ query: products }, app.admin],
      [{ query: products }, foreign],
      [{ query: products }, { authorization: `Basic ${Buffer.from(`u:${secrets.password}`).toString('base64')}` }],
      [{ query: products }, { ...app.admin, 'x-tenant': 'acme' }],
      [{ query: signIn, variables }, member],
      [{ query: `mutation { signIn(password: "${secrets.password}") }` }, {}],
      [{ query: signIn, variables: { password: [secrets.password] } }, {}],
      [{ query: `{ nope(password: "${secrets.password}") }` }, {}],
      [{ query: keepHash, variables }, {}],
    ];
    for (const [body, headers] of requests) await server.post(body, headers);

    // The tenant's role gets a password that is not the derived one, and its owner may not set it again.
    const role = tenantRole(acme.key);
    await postgres.rows(`ALTER ROLE ${role} PASSWORD 'another-one'; REVOKE ${role} FROM owner`);
    await postgres.rows('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [role]);
    await vi.waitFor(async () => {
      expect((await server.post({ query: products }, member)).code).toBe('INTERNAL_SERVER_ERROR');
    });
    expect(lines.join('')).toContain('permission denied to alter role');

    await postgres.stop();
    for (const [body, headers] of requests) await server.post(body, headers);
    await server.get('/health/ready');

    const passwordOf = derivePasswords(secrets.ROLE_SECRET);
    const tokens = [app.admin, member, foreign].map(({ authorization = '' }) => authorization.slice('Bearer '.length));
    const forbidden = {
      ...secrets,
      hidden: Buffer.from(`u:${secrets.password}`).toString('base64'),
      tenantRole: passwordOf(role),
      appRole: passwordOf(installationRoles('auth').app),
      ...Object.fromEntries(tokens.map((token, index) => [`token ${index}`, token])),
      ...Object.fromEntries(tokens.map((token, index) => [`signature ${index}`, token.split('.')[2] ?? token])),
    };
    expect(lines.length).toBeGreaterThan(20);
    for (const [name, secret] of Object.entries(forbidden)) {
      const found = lines.filter((line) => line.includes(secret));
      expect(found, name).toEqual([]);
    }
  });

  it('names the request and the tenant of each operation', () => {
    const operations = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'operation');
    expect(operations).toContainEqual(
      expect.objectContaining({
        requestId: expect.any(String),
        tenant: 'acme',
        operation: 'query (unnamed)',
        failed: false,
      }),
    );
    for (const { requestId } of operations) expect(requestId).toMatch(/^[\w-]{8,64}$/);
  });

  it('names the request and the tenant of each error', () => {
    const unexpected = lines.filter((line) => JSON.parse(line).err?.message === 'unexpected');
    expect(unexpected.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ requestId: expect.stringMatching(/^[\w-]{8,64}$/), tenant: 'acme' }),
    );
    for (const line of unexpected) expect(line.match(/"requestId"/g)).toHaveLength(1);
  });
});
