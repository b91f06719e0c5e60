import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet, type ShownRun } from '../../support/fleet.ts';

const alone = 'isTransactional() { return false; }';

describe('migrations that are not transactional', () => {
  const slugs = ['own-database', 'own-schema', 'other-schema'];
  let fleet: Fleet;
  let count = 0;
  /** Migrations that no tenant has, to be removed again. */
  const tried: string[] = [];

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA', 'other-schema': 'SCHEMA' });
  });
  afterEach(async () => {
    await fleet.migrations.remove(...tried.splice(0));
    for (const slug of slugs) {
      await fleet.inTenant(slug, 'DELETE FROM products');
      await fleet.inCatalog(`UPDATE tenants SET status = 'ACTIVE' WHERE slug = $1`, [slug]);
    }
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const nextName = (what: string) => {
    count += 1;
    return `2027010100${String(count).padStart(4, '0')}_${what}`;
  };
  const add = async (...statements: string[]) => {
    const name = nextName('change');
    await fleet.migrations.add(name, ...statements);
    return name;
  };
  const addAlone = async (up: readonly string[], down: readonly string[] = []) => {
    const name = nextName('alone');
    const texts = (list: readonly string[]) => list.map((text) => `this.addSql(${JSON.stringify(text)});`).join(' ');
    const downMethod = down.length > 0 ? `down() { ${texts(down)} }` : '';
    await fleet.migrations.addClass(name, `${alone} up() { ${texts(up)} } ${downMethod}`);
    return name;
  };
  const insert = (slug: string, ...names: string[]) =>
    fleet.inTenant(
      slug,
      `INSERT INTO products (sku, name, price, currency, stock)
       SELECT 's' || n, name, 1, 'EUR', 1 FROM unnest('{${names.join(',')}}'::text[]) WITH ORDINALITY AS p (name, n)`,
    );
  const indexes = (slug: string) =>
    fleet.inTenant<{ name: string; valid: boolean }>(
      slug,
      `SELECT relname AS name, indisvalid AS valid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
       WHERE relnamespace = current_schema()::regnamespace AND relname LIKE '%by_%' ORDER BY relname`,
    );
  const applied = async (slug: string) =>
    (
      await fleet.inTenant<{ name: string }>(
        slug,
        `SELECT name FROM migration_history WHERE status = 'APPLIED' ORDER BY id`,
      )
    ).map(({ name }) => name);
  const tables = async (slug: string, like: string) =>
    (
      await fleet.inTenant<{ name: string }>(
        slug,
        `SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE '${like}'`,
      )
    ).map(({ name }) => name);
  const errorOf = (run: ShownRun) => run.items.nodes.find(({ error }) => error !== null)?.error;

  it('run between those that are, in order, in tenants of both isolations, and in new ones', async () => {
    const names = [
      await add('ALTER TABLE products ADD COLUMN shelf int'),
      await addAlone(['CREATE INDEX CONCURRENTLY by_shelf ON products (shelf)', 'VACUUM products']),
      await add('ALTER INDEX by_shelf RENAME TO products_by_shelf'),
    ];
    const run = await fleet.run();
    expect(run).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    for (const { applied: done } of run.items.nodes) expect(done).toEqual(names);
    await fleet.createTenants({ 'new-database': 'DATABASE', 'new-schema': 'SCHEMA' });
    for (const slug of [...slugs, 'new-database', 'new-schema']) {
      expect(await indexes(slug), slug).toEqual([{ name: 'products_by_shelf', valid: true }]);
      expect((await applied(slug)).slice(-3), slug).toEqual(names);
      await fleet.inTenant(slug, 'DROP INDEX products_by_shelf');
      expect((await fleet.tenant(slug)).status).toBe('ACTIVE');
    }
    expect(await fleet.run()).toMatchObject({ succeeded: 0, skipped: 5 });
    await fleet.inCatalog(`UPDATE tenants SET status = 'DELETING' WHERE slug LIKE 'new-%'`);
  });

  it('may ask the database', async () => {
    const name = nextName('asks');
    await fleet.migrations.addClass(
      name,
      `${alone} async up() {
        const [{ answer }] = await this.execute('SELECT 6 * 7 AS answer');
        await this.execute('CREATE INDEX CONCURRENTLY by_answer ON products (stock) WHERE stock = ' + answer);
        this.addSql('DROP INDEX CONCURRENTLY by_answer; VACUUM products');
      }`,
    );
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    for (const slug of slugs) expect(await indexes(slug)).toEqual([]);
  });

  it('leave no INVALID index when they fail, and succeed when the rows are corrected', async () => {
    tried.push(await add('CREATE TABLE before_index (id int)'));
    await fleet.migrations.addClass(
      tried[0] ?? '',
      `up() { this.addSql('CREATE TABLE before_index (id int)'); } down() { this.addSql('DROP TABLE before_index'); }`,
    );
    tried.push(await addAlone(['CREATE UNIQUE INDEX CONCURRENTLY by_name ON products (name)']));
    for (const slug of slugs) await insert(slug, 'twin', 'twin');
    const failed = await fleet.run();
    expect(failed).toMatchObject({ status: 'FAILED', failed: 3 });
    for (const { error } of failed.items.nodes) expect(error).toMatch(/could not create unique index "by_name"/);
    for (const slug of slugs) {
      expect(await indexes(slug), slug).toEqual([]);
      expect(await tables(slug, 'before_%'), slug).toEqual([]);
      expect(await applied(slug), slug).not.toContain(tried[0]);
      expect((await fleet.tenant(slug)).status).toBe('ACTIVE');
      await fleet.inTenant(slug, `UPDATE products SET name = sku`);
    }
    expect((await fleet.events(failed.id)).filter(({ kind }) => kind === 'TENANT_FAILED')).toHaveLength(3);
    const corrected = await fleet.run();
    expect(corrected).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    for (const slug of slugs) {
      expect(await indexes(slug), slug).toEqual([{ name: 'by_name', valid: true }]);
      expect((await applied(slug)).slice(-2), slug).toEqual(tried);
    }
    tried.length = 0;
    for (const slug of slugs) await fleet.inTenant(slug, 'DROP INDEX by_name');
  });

  it('drop an INVALID index that something else has left, before they build theirs', async () => {
    const slug = 'own-schema';
    await insert(slug, 'twin', 'twin');
    const session = await fleet.sessionIn(slug);
    await expect(session.query('CREATE UNIQUE INDEX CONCURRENTLY by_sight ON products (name)')).rejects.toThrow();
    await fleet.end(session);
    expect(await indexes(slug)).toEqual([{ name: 'by_sight', valid: false }]);
    await addAlone(['CREATE INDEX CONCURRENTLY by_sight ON products (name)']);
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    expect(await indexes(slug)).toEqual([{ name: 'by_sight', valid: true }]);
    for (const each of slugs) await fleet.inTenant(each, 'DROP INDEX by_sight');
  });

  it('are taken back from a schema by down(), in reverse, with what came before them', async () => {
    const first = nextName('first');
    await fleet.migrations.addClass(
      first,
      `up() { this.addSql('CREATE TABLE kept_first (id int)'); } down() { this.addSql('DROP TABLE kept_first'); }`,
    );
    const second = await addAlone(
      ['CREATE INDEX CONCURRENTLY by_id ON kept_first (id)'],
      ['DROP INDEX CONCURRENTLY by_id'],
    );
    const third = await addAlone(
      ['CREATE TABLE kept_third (id int)', 'SELECT 1 / 0'],
      ['DROP TABLE IF EXISTS kept_third'],
    );
    tried.push(first, second, third);
    const run = await fleet.run('tenants: ["own-schema"]');
    expect(run).toMatchObject({ status: 'FAILED', failed: 1 });
    expect(errorOf(run)).toMatch(/failed: division by zero, in line 2: SELECT 1 \/ 0$/);
    expect(await tables('own-schema', 'kept_%')).toEqual([]);
    expect(
      await fleet.inTenant(
        'own-schema',
        `SELECT name, status FROM migration_history WHERE run = '${run.id}' ORDER BY id`,
      ),
    ).toEqual([
      { name: first, status: 'REVERTED' },
      { name: second, status: 'REVERTED' },
      { name: second, status: 'REVERTED' },
      { name: first, status: 'REVERTED' },
      { name: third, status: 'ROLLED_BACK' },
    ]);
    expect((await fleet.events(run.id)).map(({ kind }) => kind)).toEqual([
      'RUN_STARTED',
      'TENANT_STARTED',
      'MIGRATION_REVERTED',
      'MIGRATION_REVERTED',
      'TENANT_FAILED',
      'RUN_ENDED',
    ]);
    expect((await fleet.tenant('own-schema')).status).toBe('ACTIVE');
  });

  it.each([
    [
      'whose down() fails',
      `down() { this.addSql('SELECT no_such_function()'); }`,
      /could not be reverted: .*no_such_function/,
    ],
    ['without down()', '', /has no down\(\)/],
  ])(
    'leave a schema to somebody’s decision if a step before them, %s, cannot be taken back',
    async (_what, down, problem) => {
      const stuck = nextName('stuck');
      await fleet.migrations.addClass(stuck, `up() { this.addSql('CREATE TABLE stuck (id int)'); } ${down}`);
      tried.push(stuck, await addAlone(['SELECT 1 / 0']));
      const run = await fleet.run('tenants: ["other-schema"]');
      expect(errorOf(run)).toMatch(/division by zero.*The tenant needs attention and is not served/);
      expect(errorOf(run)).toMatch(problem);
      const token = await fleet.app.tokenFor('other-schema');
      await eventually('requests are refused', async () => {
        const { errors } = await fleet.app.ask('{ products { totalCount } }', token);
        return errors?.[0]?.extensions.code === 'TENANT_SUSPENDED';
      });
      expect(await tables('other-schema', 'stuck')).toEqual(['stuck']);
      await fleet.inTenant('other-schema', `DROP TABLE stuck; DELETE FROM migration_history WHERE name = '${stuck}'`);
    },
  );

  it('are not tried in a dry run, which says so', async () => {
    tried.push(await add('CREATE TABLE dry (id int)'), await addAlone(['VACUUM']));
    const run = await fleet.run('dryRun: true');
    expect(run).toMatchObject({ status: 'SUCCEEDED', skipped: 3, succeeded: 0 });
    for (const { error } of run.items.nodes) {
      expect(error).toBe(`${tried[1]} is not transactional, so the batch cannot be tried and rolled back`);
    }
    for (const slug of slugs) expect(await tables(slug, 'dry')).toEqual([]);
  });
});
