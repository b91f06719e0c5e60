import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';

describe('what a migration may do', () => {
  const slugs = ['own-database', 'first-schema', 'second-schema'];
  let fleet: Fleet;
  let count = 0;
  /** Migrations that no tenant has. */
  const tried: string[] = [];

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ 'own-database': 'DATABASE', 'first-schema': 'SCHEMA', 'second-schema': 'SCHEMA' });
  });
  afterEach(async () => {
    await fleet.migrations.remove(...tried.splice(0));
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const nextName = () => {
    count += 1;
    return `2027010100${String(count).padStart(4, '0')}_step`;
  };
  /** Writes a migration that is to succeed. */
  const add = async (body: string) => {
    const name = nextName();
    await fleet.migrations.addClass(name, body);
    return name;
  };
  /** Writes a migration that is to fail. */
  const addBad = async (body: string) => {
    const name = await add(body);
    tried.push(name);
    return name;
  };
  /** Runs with one connection to the shared database, so that schemas follow each other on it. */
  const run = (input = '') => fleet.run(`concurrency: 1 ${input}`);
  const errorsOf = async (input = '') => [...new Set((await run(input)).items.nodes.map(({ error }) => error))];
  const expectNothingLeft = async () => {
    for (const slug of slugs) {
      expect(await fleet.inTenant(slug, `SELECT tablename FROM pg_tables WHERE tablename LIKE 'left_%'`), slug).toEqual(
        [],
      );
    }
  };

  it.each(["SELECT 'never closed", 'SELECT $$never closed', 'SELECT 1 /* never closed', 'SELECT "never closed'])(
    'cannot keep its history from being written with %s',
    async (text) => {
      const name = await addBad(
        `up() { this.addSql('CREATE TABLE left_open ()'); this.addSql(${JSON.stringify(text)}); }`,
      );
      expect(await run()).toMatchObject({ status: 'FAILED', failed: 3 });
      await expectNothingLeft();
      for (const slug of slugs) {
        expect(await fleet.inTenant(slug, `SELECT status FROM migration_history WHERE name = '${name}'`), slug).toEqual(
          [{ status: 'ROLLED_BACK' }],
        );
      }
    },
  );

  it.each([
    'TRUNCATE migration_history',
    'DELETE FROM migration_history',
    "DELETE FROM migration_history WHERE name LIKE '%_fixture'",
    `DO $$ BEGIN EXECUTE 'TRUNC' || 'ATE migration_' || 'history'; END $$`,
    'DROP TABLE migration_history',
  ])('cannot make its history lie, and is undone like any that fails: %s', async (text) => {
    const history = (slug: string) =>
      fleet.inTenant(slug, `SELECT * FROM migration_history WHERE status <> 'ROLLED_BACK' ORDER BY id`);
    const before = await Promise.all(slugs.map(history));
    const first = await addBad(`up() { this.addSql('CREATE TABLE left_by_first ()'); }`);
    const liar = await addBad(`up() { this.addSql(${JSON.stringify(text)}); }`);
    const asked = await addBad(`async up() { await this.execute(${JSON.stringify(text)}); }`);
    for (const [name, input] of [
      [liar, ''],
      [liar, 'dryRun: true'],
      [asked, ''],
    ] as const) {
      if (name === asked) await fleet.migrations.remove(...tried.splice(1, 1));
      for (const error of await errorsOf(input)) {
        expect(error).toMatch(new RegExp(`^${name} failed: .*migration_history`));
      }
      expect(await Promise.all(slugs.map(history)), first).toEqual(before);
      await expectNothingLeft();
    }
  });

  it('may read what was applied before it, and may be taken back after others that do', async () => {
    const applied = await add(`
      up() { this.addSql('CREATE TABLE reader AS SELECT name FROM migration_history'); }
      down() { this.addSql('DROP TABLE reader'); this.addSql('SELECT count(*) FROM migration_history'); }`);
    await add(`up() { this.addSql('SELECT 1'); } down() { this.addSql('SELECT 1'); }`);
    expect(await run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    const taken = 'rollbackMigrations(input: { steps: 2, wait: true }) { status succeeded }';
    expect(await fleet.ask(`mutation { ${taken} }`)).toEqual({
      rollbackMigrations: { status: 'SUCCEEDED', succeeded: 3 },
    });
    for (const slug of slugs) expect(await fleet.applied(slug)).not.toContain(applied);
    expect(await run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
  });

  it('asks its own tenant’s database, whose answers decide what it does', async () => {
    await fleet.inTenant(
      'first-schema',
      `INSERT INTO products (sku, name, price, currency, stock) VALUES ('s', 'n', 1, 'EUR', 1)`,
    );
    const name = await add(`async up() {
      this.addSql("INSERT INTO notes VALUES ('last')");
      await this.execute('CREATE TABLE notes (body text)');
      const em = this.getEntityManager();
      const [row] = await this.execute('SELECT count(*)::int AS count FROM products');
      await em.execute('INSERT INTO notes VALUES (?)', [row.count + ' products']);
      await em.transactional((inner) => inner.execute("INSERT INTO notes VALUES ('transactional')"));
      await em.transactional(async (inner) => {
        await inner.execute("INSERT INTO notes VALUES ('undone')");
        throw new Error('on purpose');
      }).catch(() => undefined);
      await em.getKysely().insertInto('notes').values({ body: 'kysely' }).execute();
    }`);
    expect(await run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    for (const slug of slugs) {
      const products = slug === 'first-schema' ? '1 products' : '0 products';
      expect((await fleet.inTenant<{ body: string }>(slug, 'SELECT body FROM notes')).map(({ body }) => body)).toEqual([
        products,
        'transactional',
        'kysely',
        'last',
      ]);
      expect(await fleet.inTenant(slug, `SELECT name FROM migration_history ORDER BY id DESC LIMIT 1`)).toEqual([
        { name },
      ]);
    }
  });

  it('is undone with its batch, whichever way it sends its statements', async () => {
    await addBad(`up() { this.addSql('CREATE TABLE left_by_sql (id int)'); }`);
    await addBad(`async up() { await this.execute('CREATE TABLE left_by_execute (id int)'); }`);
    await addBad(`async up() {
      await this.getEntityManager().getKysely().schema.createTable('left_by_kysely').addColumn('id', 'integer').execute();
    }`);
    const last = await addBad(`async up() { this.addSql('SELECT nonsense'); }`);
    expect(await errorsOf()).toEqual([
      `${last} failed: column "nonsense" does not exist, in line 2: SELECT nonsense\nLINE 2: SELECT nonsense\n               ^`,
    ]);
    await expectNothingLeft();
  });

  it('may send several statements in one text, with comments, and is told which of all failed', async () => {
    const name = await addBad(`up() {
      this.addSql("CREATE TABLE left_over (id int); INSERT INTO left_over VALUES (1); -- the first; done");
      this.addSql('SELECT 1 -- no end of line');
      this.addSql("/* ; */ SELECT ';';; INSERT INTO left_over\\n  VALUES ('x'); SELECT 2");
    }`);
    expect(await errorsOf()).toEqual([
      `${name} failed: invalid input syntax for type integer: "x", in: INSERT INTO left_over VALUES ('x')
LINE 2:   VALUES ('x')
                  ^`,
    ]);
    await expectNothingLeft();
  });

  it('may have no statements, or nothing but comments', async () => {
    await add('up() {}');
    await add(`up() { this.addSql('-- nothing'); }`);
    expect(await run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
  });

  it.each(['COMMIT', 'COMMIT; BEGIN', 'ROLLBACK', 'COMMIT AND CHAIN', 'END', 'BEGIN'])(
    'may not send %s: the plan says so, and nothing is applied',
    async (command) => {
      await addBad(`up() { this.addSql('CREATE TABLE left_before (id int)'); }`);
      const name = await addBad(`up() { this.addSql('CREATE TABLE left_over (id int); ${command}'); }`);
      const refusal = `BAD_USER_INPUT: ${name} begins or ends a transaction (${command.split(';')[0]}, line 2), but its whole batch runs in one transaction, so that it can be rolled back. Remove the command, or write \`override isTransactional() { return false; }\` to run each statement by itself.`;
      const plan = await fleet.ask<{ migrationPlan: unknown }>('{ migrationPlan { tenants { pending refusal } } }');
      expect(plan.migrationPlan).toEqual({ tenants: slugs.map(() => ({ pending: [], refusal })) });
      expect(await errorsOf('dryRun: true')).toEqual([refusal]);
      expect(await errorsOf()).toEqual([refusal]);
      await expectNothingLeft();
    },
  );

  it.each([
    ['execute()', `this.execute('COMMIT')`, /begins or ends a transaction \(COMMIT\)/],
    ['execute(), behind something else', `this.execute('SELECT 1; /* x */ commit; begin')`, /\(commit\)/],
    ['its entity manager', `this.getEntityManager().execute('ROLLBACK')`, /\(ROLLBACK\)/],
    ['the end of the entity manager’s transaction', 'this.getEntityManager().commit()', /ended the transaction/],
    ['the undoing of the entity manager’s transaction', 'this.getEntityManager().rollback()', /ended the transaction/],
  ])('may not end the transaction with %s, and all is undone', async (_how, call, error) => {
    await addBad(`up() { this.addSql('CREATE TABLE left_before (id int)'); }`);
    const name = await addBad(`async up() { await this.execute('CREATE TABLE left_over (id int)'); await ${call}; }`);
    for (const input of ['dryRun: true', '']) {
      const [message, ...others] = await errorsOf(input);
      expect(others).toEqual([]);
      expect(message).toMatch(error);
      expect(message).toContain(`${name} failed: `);
    }
    await expectNothingLeft();
  });

  // https://www.postgresql.org/docs/current/runtime-config-compatible.html#GUC-STANDARD-CONFORMING-STRINGS
  it('may not send several statements at once where a setting makes a backslash hide a COMMIT', async () => {
    await addBad(`up() { this.addSql('CREATE TABLE left_before (id int)'); }`);
    const hidden = `SELECT 'a\\'; SELECT '; COMMIT; SELECT 1 --'`;
    const name = await addBad(`async up() { await this.execute(${JSON.stringify(hidden)}); }`);
    for (const input of ['dryRun: true', '']) {
      expect(await errorsOf(input)).toEqual([
        expect.stringMatching(`^${name} failed: .*it sends several statements with a backslash at once`),
      ]);
    }
    await expectNothingLeft();
  });

  it('may use savepoints of its own', async () => {
    await add(`async up() {
      await this.execute('SAVEPOINT mine');
      await this.execute('SELECT nonsense').catch(() => undefined);
      await this.execute('ROLLBACK TO SAVEPOINT mine');
      await this.execute('CREATE TABLE saved (id int)');
    }`);
    expect(await run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
  });

  it('cannot go on after a statement that failed', async () => {
    const name = await addBad(`async up() {
      await this.execute('CREATE TABLE left_over (id int)');
      await this.execute('SELECT nonsense').catch(() => undefined);
    }`);
    expect(await errorsOf()).toEqual([expect.stringContaining(`${name} failed: `)]);
    await expectNothingLeft();
  });

  it('meets its deferred constraints before the next one begins, in a dry run too', async () => {
    const name = await addBad(`up() {
      this.addSql('CREATE TABLE left_over (id int PRIMARY KEY, parent int REFERENCES left_over DEFERRABLE INITIALLY DEFERRED)');
      this.addSql('INSERT INTO left_over VALUES (1, 2)');
    }`);
    await addBad(`up() { this.addSql('INSERT INTO left_over VALUES (2, NULL)'); }`);
    for (const input of ['dryRun: true', '']) {
      expect(await errorsOf(input)).toEqual([
        expect.stringMatching(`^${name} failed: .*violates foreign key constraint`),
      ]);
    }
    await expectNothingLeft();
  });

  it('starts in its tenant’s schema, whatever the one before it or another tenant’s has set', async () => {
    await add(`up() {
      this.addSql("SET search_path = pg_catalog; SET lock_timeout = 0; SET default_transaction_isolation = 'serializable'");
      this.addSql("CREATE TEMP TABLE scratch (id int); PREPARE p AS SELECT 1; SELECT pg_advisory_lock(1)");
    }`);
    await add(`up() { this.addSql(\`
      CREATE TABLE surroundings AS SELECT current_setting('search_path') AS path, current_setting('lock_timeout') AS lock,
        (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = 0) AS locks,
        current_setting('transaction_isolation') AS isolation\`); }`);
    expect(await run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    for (const slug of slugs) {
      const { schema } = await fleet.tenant(slug);
      expect(await fleet.inTenant(slug, 'SELECT * FROM surroundings')).toEqual([
        { path: `${schema}, common`, lock: '1s', locks: 0, isolation: 'read committed' },
      ]);
    }
  });
});
