import { login } from '../src/auth/sign-in.ts';
import { createUser } from '../src/auth/users.ts';
import { type Benchmark, compare, interleave, quantile, timed } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { createTenants, frontOf, productsQuery } from './tenants.ts';

/** The number of requests in one round. */
const REQUESTS = 50;

/** The cost of looking up the user, session, membership and permissions, compared with only verifying a token. */
export const membership: Benchmark = {
  name: 'membership',
  about: 'a list with permissions for a member who has signed in, compared with a list for a token with trusted claims',
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp();
    const { services } = app;
    const [slug = ''] = await createTenants(services, 1, { isolation: 'SCHEMA' });
    const [email, password] = ['member@example.com', 'correct horse battery staple'];
    const { id } = await createUser(services.accounts, { email, name: 'Bench', password });
    await services.catalog.use((client) =>
      client.query(`INSERT INTO memberships (user_id, tenant_id, role) SELECT $1, id, 'MEMBER' FROM tenants`, [id]),
    );
    const ask = frontOf(services);
    const listWith = (token: string, query: string) => async () => {
      const figures: number[] = [];
      for (let index = 0; index < REQUESTS; index += 1) {
        figures.push(
          await timed(async () => {
            const answer = await ask(query, token);
            if (answer.includes('"errors"')) throw new Error(`A member's answer was: ${answer}`);
          }),
        );
      }
      return quantile(figures, 0.5);
    };
    const samples = await interleave(
      {
        baseline: listWith(await services.tokens.issue({ tenant: slug, expiresIn: '1h' }), productsQuery),
        tenantry: listWith(
          (await login(services.accounts, { email, password, tenant: slug })).token,
          productsQuery.replace('{', '{ viewer { permissions }'),
        ),
      },
      { rounds: 40, warmUp: 5, signal },
    );
    return [compare('a list for a member, with permissions', 'ms', { atMost: 1.15 }, samples)];
  },
};
