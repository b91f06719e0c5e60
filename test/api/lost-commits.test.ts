import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a change of the catalog whose connection ends', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  let auth: string;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    app = await startTestApp(postgres.env);
    auth = app.services.config.databases.auth;
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "n", isolation: SCHEMA }) { id } }', app.admin);
    await postgres.rows(
      `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
       CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON tenants INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name = 'slow') EXECUTE FUNCTION wait();
       CREATE TRIGGER slower AFTER INSERT ON tenant_transfers FOR EACH ROW EXECUTE FUNCTION wait()`,
      [],
      auth,
    );
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  /** The code of a mutation whose session is ended while it waits in a trigger. */
  async function endDuring(mutation: string): Promise<unknown> {
    const asking = app.ask(`mutation { ${mutation} }`, app.admin);
    await eventually('its session is ended', async () => {
      const ended = await postgres.rows(
        `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'`,
        [auth],
      );
      return ended.length > 0;
    });
    return (await asking).errors?.[0]?.extensions.code;
  }

  it('may have been made if PostgreSQL was asked to commit it', async () => {
    expect(await endDuring('updateTenant(input: { id: "acme", name: "slow" }) { id }')).toBe('OUTCOME_UNKNOWN');
  });

  it('was not made if PostgreSQL was not asked to commit it', async () => {
    expect(await endDuring('moveTenant(input: { tenant: "acme", isolation: DATABASE }) { id }')).toBe('SERVER_BUSY');
    expect(await postgres.rows('SELECT FROM tenant_transfers', [], auth)).toEqual([]);
  });
});
