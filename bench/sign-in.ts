import { createUser } from '../src/auth/users.ts';
import { type Benchmark, compare, interleave, limit, quantile, timed } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { createTenants, frontOf, productsQuery } from './tenants.ts';

const ACCOUNTS = 20;
/** So many that chance alone makes 54 % of the guesses right in one run of twenty. */
const GUESSES = 500;
/** People who sign in at once, one login after the other each. */
const SIGNING_IN = 8;
/** Requests of somebody else that are timed in one round. */
const REQUESTS = 20;

const password = 'correct horse battery staple';
const unlimited = { SIGN_IN_LIMIT_ACCOUNT: '1000000', SIGN_IN_LIMIT_ADDRESS: '1000000' };

/** What the time of a refused login tells, and what many logins at once cost those who ask for something else. */
export const signIn: Benchmark = {
  name: 'sign-in',
  about: 'whether the time of a refused login tells if there is such an account, and what logins cost other requests',
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp(unlimited);
    const { services } = app;
    const ask = frontOf(services);
    const emails = Array.from({ length: ACCOUNTS }, (_, index) => `known-${index}@example.com`);
    for (const email of emails) await createUser(services.accounts, { email, name: 'Bench', password });
    const login = (email: string, secret: string) =>
      ask(`mutation { login(input: { email: "${email}", password: "${secret}" }) { token } }`);
    const refused = (kind: string) => (round: number) =>
      timed(async () => {
        const answer = await login(`${kind}-${round % ACCOUNTS}@example.com`, 'a wrong password');
        if (!answer.includes('UNAUTHENTICATED')) throw new Error(`A wrong password was answered: ${answer}`);
      });
    const times = await interleave(
      { known: refused('known'), unknown: refused('other') },
      { rounds: GUESSES, warmUp: 20, signal },
    );

    const [slug = ''] = await createTenants(services, 1, { isolation: 'SCHEMA' });
    const token = await services.tokens.issue({ tenant: slug, expiresIn: '1h' });
    const products = async () => {
      const figures: number[] = [];
      for (let index = 0; index < REQUESTS; index += 1) figures.push(await timed(() => ask(productsQuery, token)));
      return quantile(figures, 0.5);
    };
    const beside = await interleave(
      { baseline: products, tenantry: () => whileSigningIn(login, emails, products) },
      { rounds: 15, warmUp: 2, signal },
    );
    return [
      limit('account known, guessed from a login’s time', '% right', { atMost: 55 }, 100 * guessedRight(times)),
      compare(`a list while ${SIGNING_IN} people sign in`, 'ms', { atMost: 3 }, beside),
    ];
  },
};

async function whileSigningIn(
  login: (email: string, secret: string) => Promise<string>,
  emails: readonly string[],
  work: () => Promise<number>,
): Promise<number> {
  let done = false;
  const people = Array.from({ length: SIGNING_IN }, async (_, index) => {
    while (!done) await login(emails[index % emails.length] ?? '', password);
  });
  try {
    return await work();
  } finally {
    done = true;
    await Promise.all(people);
  }
}

/**
 * How often somebody is right who is told the times of one login of each kind, and takes the longer, or always the shorter,
 * for the known account's: 0.5 is chance. It is the area under the curve of Mann and Whitney's test.
 */
function guessedRight({ known, unknown }: { readonly known: readonly number[]; readonly unknown: readonly number[] }) {
  let longer = 0;
  for (const a of known) for (const b of unknown) longer += a > b ? 1 : a === b ? 0.5 : 0;
  const share = longer / (known.length * unknown.length);
  return Math.max(share, 1 - share);
}
