import { createUser } from '../src/auth/users.ts';
import { type Benchmark, compare, interleave, limit, quantile, timed } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { createTenants, frontOf, productsQuery } from './tenants.ts';

const ACCOUNTS = 20;
/** With this number, chance alone makes 54 % of the guesses right in one run out of twenty. */
const GUESSES = 500;
/** The number of people who sign in repeatedly at the same time. */
const SIGNING_IN = 8;
/** The number of other requests in one round. */
const REQUESTS = 20;

const password = 'correct horse battery staple';
const unlimited = { SIGN_IN_LIMIT_ACCOUNT: '1000000', SIGN_IN_LIMIT_ADDRESS: '1000000' };

/** What the latency of a failed login reveals, and how much concurrent logins slow down other requests. */
export const signIn: Benchmark = {
  name: 'sign-in',
  about:
    'whether the latency of a failed login reveals that an account exists, and how logins slow down other requests',
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
        if (!answer.includes('UNAUTHENTICATED')) throw new Error(`The answer to a wrong password was: ${answer}`);
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
      limit('existing accounts guessed from latency', '% right', { atMost: 55 }, 100 * guessedRight(times)),
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
 * Returns how often a guesser is right who gets the latencies of one login of each kind and always takes the longer, or always the
 * shorter, for the existing account: 0.5 is chance. It is the Mann-Whitney statistic, that is, the area under the ROC curve.
 */
function guessedRight({ known, unknown }: { readonly known: readonly number[]; readonly unknown: readonly number[] }) {
  let longer = 0;
  for (const a of known) for (const b of unknown) longer += a > b ? 1 : a === b ? 0.5 : 0;
  const share = longer / (known.length * unknown.length);
  return Math.max(share, 1 - share);
}
