import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a PostgreSQL that hangs, with connections that stay open', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  const stopped: number[] = [];
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    app = await startTestApp({ ...postgres.env, TENANT_STATEMENT_TIMEOUT_MS: '500', TENANT_POOL_SIZE: '1' });
    await app.ask(
      'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }',
      app.admin,
    );
  });
  afterAll(async () => {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  /** Stops the backends of these connections of the app, as a machine that hangs does; gives their number. */
  async function hang(condition: string): Promise<number> {
    const { rows } = await app.services.catalog.use((client) =>
      client.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'tenantry' AND pid <> pg_backend_pid() AND ${condition}`,
      ),
    );
    for (const { pid } of rows) {
      process.kill(pid, 'SIGSTOP');
      stopped.push(pid);
    }
    return rows.length;
  }

  it('lets a tenant try again, and then answers, soon after the time limit of its statements', async () => {
    const ask = async () => app.ask('{ timestamp }', await app.tokenFor('acme'));
    expect(await ask()).toMatchObject({ data: { timestamp: expect.any(String) } });
    expect(await hang(`usename LIKE 'tenant\\_%'`)).toBe(1);
    expect((await ask()).errors?.map(({ extensions }) => extensions.code)).toEqual(['SERVER_BUSY']);
    expect(await ask()).toMatchObject({ data: { timestamp: expect.any(String) } });
  });
});
