import { parseServerUrl } from '../src/config/server-address.ts';
import { hasPgBouncer, startPgBouncer } from '../test/support/start-pgbouncer.ts';
import { type Benchmark, compare } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { contest, seedTenants } from './requests.ts';
import { startServer } from './server-process.ts';

const TENANTS = 20;

/** Requests per second through PgBouncer, compared with direct connections to the same PostgreSQL. */
export const pooler: Benchmark = {
  name: 'pooler',
  about: 'a list over HTTP through PgBouncer in transaction mode, compared with direct connections',
  async run(signal) {
    if (!hasPgBouncer) {
      process.stderr.write('Skipped: PgBouncer is missing (package pgbouncer)\n');
      return [];
    }
    await using place = await openBenchInstallation();
    await using bouncer = await startPgBouncer({ address: parseServerUrl(place.databaseUrl) });
    const { tokens } = await seedTenants(place, TENANTS);
    const main = '../test/fixture/main.ts';
    const direct = await startServer(place, main);
    const pooled = await startServer(place, main, { DATABASE_POOLER_URL: bouncer.url });
    const target = { atLeast: 0.6 };
    return [
      compare('through PgBouncer, one tenant', '/s', target, await contest(direct, pooled, tokens.slice(0, 1), signal)),
      compare(
        `through PgBouncer, ${TENANTS} tenants in turn`,
        '/s',
        target,
        await contest(direct, pooled, tokens, signal),
      ),
    ];
  },
};
