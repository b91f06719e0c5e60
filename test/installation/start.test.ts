import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captureLog } from '../support/log-lines.ts';
import { makeMigrationDir } from '../support/migration-dir.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('starting on an empty PostgreSQL', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
  });

  it('works for several servers at once: all come up, everything is migrated once, and there is one template', async () => {
    const apps = await Promise.all([1, 2, 3].map(() => startTestApp(postgres.env)));
    await using stack = new AsyncDisposableStack();
    for (const app of apps) stack.use(app);
    for (const app of apps) {
      const { data } = await app.ask('{ health { status } currencies { code } }');
      expect(data).toMatchObject({ health: { status: 'OK' }, currencies: expect.arrayContaining([{ code: 'EUR' }]) });
    }
    for (const database of ['auth', 'constants']) {
      const history = await postgres.rows(
        'SELECT name FROM migration_history GROUP BY name HAVING count(*) > 1',
        [],
        database,
      );
      expect(history).toEqual([]);
    }
    const databases = await postgres.rows<{ name: string }>(
      `SELECT regexp_replace(datname, '[0-9a-f]{12}$', '#') AS name FROM pg_database
       WHERE datname <> 'postgres' AND NOT datname LIKE 'template_' ORDER BY 1`,
    );
    expect(databases.map(({ name }) => name)).toEqual(['auth', 'auth_template_#', 'constants', 'shared']);
  });

  it('warns of a budget above what PostgreSQL grants, and doctor finds it', async () => {
    const [limits] = await postgres.rows<{ most: number; reserved: number }>(
      `SELECT current_setting('max_connections')::int AS most, current_setting('superuser_reserved_connections')::int AS reserved`,
    );
    const most = limits?.most ?? Number.NaN;
    const granted = most - (limits?.reserved ?? Number.NaN);
    for (const budget of [granted, granted + 1]) {
      const env = { ...postgres.env, CONNECTION_BUDGET: String(budget) };
      const { log, text } = captureLog();
      await using _app = await startTestApp(env, { log });
      const { exit, stdout } = await runCommand(['doctor'], { NODE_ENV: 'test', ...env });
      const numbers = `The budget of ${budget} connections to the server default exceeds the ${granted} that`;
      const isTooMuch = budget > granted;
      expect(text().includes(`${numbers} PostgreSQL allows: max_connections is ${most}, and`)).toBe(isTooMuch);
      expect({ exit, isReported: stdout.includes(`✗ ${numbers}`) }).toEqual({
        exit: Number(isTooMuch),
        isReported: isTooMuch,
      });
      expect(stdout.includes(`Set CONNECTION_BUDGET to ${granted} or less`)).toBe(isTooMuch);
    }
  });

  it('never touches tenants, whatever migrations are new: that is for runs', async () => {
    await using migrations = await makeMigrationDir();
    const env = { ...postgres.env, TENANT_MIGRATIONS_DIR: migrations.path };
    {
      await using app = await startTestApp(env);
      for (const isolation of ['DATABASE', 'SCHEMA']) {
        const input = `slug: "of-${isolation.toLowerCase()}", name: "x", isolation: ${isolation}`;
        await app.ask(`mutation { createTenant(input: { ${input} }) { id } }`, app.admin);
      }
    }
    const sessions = `SELECT datname, sessions FROM pg_stat_database WHERE datname ~ '^db_'`;
    const before = await postgres.rows(sessions);
    expect(before).toHaveLength(1);
    await migrations.add('20270101000000_new', 'CREATE TABLE new (id int)');
    {
      await using app = await startTestApp(env);
      // The new template has it.
      await app.ask(
        'mutation { createTenant(input: { slug: "later", name: "x", isolation: SCHEMA }) { id } }',
        app.admin,
      );
      const { data } = await app.ask('{ tenants { nodes { slug behind } } }', app.admin);
      expect(data).toEqual({
        tenants: {
          nodes: [
            { slug: 'of-database', behind: 1 },
            { slug: 'of-schema', behind: 1 },
            { slug: 'later', behind: 0 },
          ],
        },
      });
    }
    expect(await postgres.rows(sessions)).toEqual(before);
    const made = `SELECT nspname AS schema FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 'new'`;
    expect(await postgres.rows(made, [], 'shared')).toHaveLength(1);
  });

  it('leaves no connection behind when the servers stop', async () => {
    const left = await postgres.rows(`SELECT query FROM pg_stat_activity WHERE application_name = 'tenantry'`);
    expect(left).toEqual([]);
  });
});
