import { tmpdir } from 'node:os';
import pg from 'pg';
import { expect, it } from 'vitest';
import { PlainPostgres } from '../support/plain-postgres.ts';
import { commandsOf } from '../support/run-command.ts';
import { startTestApp } from '../support/start-app.ts';
import { createTenants } from '../support/tenants.ts';

it('a PostgreSQL at a socket serves tenants, and psql reaches it by the URL that it is given', async () => {
  await using postgres = await PlainPostgres.start();
  const secrets = {
    ROLE_SECRET: 'a secret of this test, long enough',
    JWT_SECRET: 'another one of this test, long enough',
  };
  const env = { DATABASE_URL: postgres.socketUrl, ...secrets };
  await using app = await startTestApp(env);
  const [tenant] = await createTenants(app, ['SCHEMA']);
  expect(await app.ask('{ products { totalCount } }', tenant?.member)).toEqual({
    data: { products: { totalCount: 0 } },
  });
  const { exit, stdout } = await commandsOf(app, env)('psql', 'schema-0', '--url');
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.stringContaining(`@${encodeURIComponent(tmpdir())}`) });
  const client = new pg.Client({ connectionString: stdout.trim() });
  await client.connect();
  const { rows } = await client.query('SELECT current_user AS role, inet_server_addr() AS address');
  await client.end();
  expect(rows).toEqual([{ role: expect.stringMatching(/^tenant_/), address: null }]);
});
