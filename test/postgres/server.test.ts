import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostgresServer } from '../../src/postgres/server.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { expectBackends } from '../support/backends.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

let postgres: TestPostgres;
let server: PostgresServer;
beforeAll(async () => {
  postgres = await startTestPostgres();
  server = new PostgresServer('test', postgres.address, {
    max: 5,
    reserved: 1,
    waitMs: 10_000,
    recycleMs: 3_600_000,
    idleMs: 60_000,
    systemPoolSize: 2,
    log: pino({ level: 'silent' }),
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await expectBackends(postgres, []);
  await postgres[Symbol.asyncDispose]();
});

/** The value of a setting in a session that was begun with it. */
async function received(name: string, value: string): Promise<unknown> {
  const pool = server.pool({
    database: 'postgres',
    max: 1,
    priority: 'tenant',
    keepIdle: false,
    session: { [name]: value },
  });
  const { rows } = await pool.use((client) => client.query('SELECT current_setting($1) AS value', [name]));
  return rows[0]?.value;
}

describe('the settings of a session', () => {
  it('reach PostgreSQL as they were given, whatever they hold', async () => {
    const character = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((value) => value !== '\0'),
      fc.constantFrom(' ', '\t', '\n', '\v', '\\', "'", '"', '=', '-', 'c'),
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: character, maxLength: 40 }), async (value) => {
        expect(await received('tenantry.note', value)).toBe(value);
      }),
      { numRuns: 50, examples: [[''], ['a\tb'], ['a\n-c x=y'], ['\\ ']] },
    );
  });

  it('can name any schema', async () => {
    for (const schema of ['tenant_0123456789', 'a b', 'a"b', "a'b", 'a\\b', 'a\tb', 'a,b', '$user']) {
      await postgres.rows(`CREATE SCHEMA ${quoteIdentifier(schema)}`);
      const session = { search_path: quoteIdentifier(schema) };
      const pool = server.pool({ database: 'postgres', max: 1, priority: 'tenant', keepIdle: false, session });
      const { rows } = await pool.use((client) => client.query('SELECT current_schema() AS schema'));
      // PostgreSQL reads "$user" as the role's own schema, even in quotes.
      expect(rows).toEqual([{ schema: schema === '$user' ? null : schema }]);
    }
  });
});

describe('a session', () => {
  /** The settings with which PostgreSQL notices that the client's machine is gone. */
  async function noticing(priority: 'tenant' | 'system' | 'admin'): Promise<unknown> {
    const pool = server.pool({ database: 'postgres', max: 1, priority, keepIdle: false });
    const { rows } = await pool.use((client) =>
      client.query(`
        SELECT sum(setting::int) FILTER (WHERE name IN ('tcp_keepalives_idle', 'tcp_keepalives_interval'))::int AS idle,
          sum(setting::int) FILTER (WHERE name = 'tcp_user_timeout')::int AS unanswered
        FROM pg_settings`),
    );
    return rows[0];
  }

  it('is missed within seconds when its machine is gone', async () => {
    for (const priority of ['system', 'admin'] as const) {
      expect(await noticing(priority)).toEqual({ idle: 6, unanswered: process.platform === 'linux' ? 8_000 : 0 });
    }
  });

  it('of a tenant may also read slowly', async () => {
    expect(await noticing('tenant')).toEqual({ idle: 6, unanswered: 0 });
  });
});

describe('a server', () => {
  it('provides owner’s connections to any database, and keeps none open', async () => {
    await postgres.rows('CREATE DATABASE other');
    const { rows } = await server.owner('other', (client) =>
      client.query('SELECT current_database() AS database, current_user AS role'),
    );
    expect(rows).toEqual([{ database: 'other', role: postgres.address.user }]);
    await expectBackends(postgres, []);
    await expect.poll(() => server.stats).toEqual({ open: 0, idle: 0, waiting: 0, max: 5 });
  });

  it('is not taken for down when this process stood still while it connected', async () => {
    const answer = server.owner('postgres', (client) => client.query('SELECT 1 AS one'));
    // Longer than connecting may take: the timer is due before the socket is looked at.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_100);
    expect((await answer).rows).toEqual([{ one: 1 }]);
    expect(server.isDown).toBe(false);
  });

  it('keeps the connections where databases are made', async () => {
    const pid = () =>
      server.admin((client) => client.query('SELECT pg_backend_pid() AS pid, current_database() AS database'));
    const first = (await pid()).rows;
    expect(first).toEqual([{ pid: expect.any(Number), database: 'postgres' }]);
    expect((await pid()).rows).toEqual(first);
    await expect.poll(() => server.stats).toEqual({ open: 1, idle: 1, waiting: 0, max: 5 });
  });
});
