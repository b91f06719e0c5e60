import { expect, it } from 'vitest';
import { describeCitus, useCitusFleet } from '../../support/citus-fleet.ts';

const slugs = ['north', 'south', 'west'];

describeCitus('migrations of tenants on the nodes of a Citus cluster', () => {
  const fleet = useCitusFleet(slugs);

  it('are applied and taken back, with concurrent indexes too', async () => {
    const { migrations } = fleet();
    await migrations.addReversible(
      '20270101000000_colour',
      'ALTER TABLE products ADD COLUMN colour text; CREATE INDEX products_colour ON products (colour)',
      'ALTER TABLE products DROP COLUMN colour',
    );
    await migrations.addClass(
      '20270102000000_concurrent',
      `override isTransactional() { return false; }
       override up() { this.addSql('CREATE INDEX CONCURRENTLY products_stock ON products (stock)'); }
       override down() { this.addSql('DROP INDEX CONCURRENTLY products_stock'); }`,
    );
    const up = await fleet().run();
    expect(up).toMatchObject({ status: 'SUCCEEDED', succeeded: slugs.length });
    for (const slug of slugs) expect(await fleet().columnsOf(slug, 'products')).toContain('colour');
    expect(await fleet().run(`undoMigrationRun(id: "${up.id}")`)).toMatchObject({ status: 'SUCCEEDED' });
    for (const slug of slugs) expect(await fleet().columnsOf(slug, 'products')).not.toContain('colour');
    await migrations.remove('20270102000000_concurrent');
    expect(await fleet().run()).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('fail for one tenant alone, which is as it was', async () => {
    const bad = await fleet().addProduct('south', 'bad');
    await fleet().migrations.addReversible(
      '20270103000000_no_bad',
      `ALTER TABLE products ADD COLUMN origin text; ALTER TABLE products ADD CONSTRAINT products_no_bad CHECK (sku <> 'bad')`,
      'ALTER TABLE products DROP COLUMN origin; ALTER TABLE products DROP CONSTRAINT products_no_bad',
    );
    const { items, ...result } = await fleet().run();
    expect(result).toMatchObject({ succeeded: slugs.length - 1, failed: 1 });
    const south = items.nodes.find(({ tenant }) => tenant.slug === 'south');
    expect(south?.error).toMatch(/products_no_bad/);
    expect(await fleet().columnsOf('south', 'products')).not.toContain('origin');
    await fleet().ask(`mutation { deleteProduct(id: "${bad}") }`, await fleet().ownerOf('south'));
    expect(await fleet().run()).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('change rows in batches, each row once, and go on where they were interrupted', async () => {
    const { migrations, citus } = fleet();
    const rows = 2_000;
    const fill = `INSERT INTO counted SELECT n, 0, NULL FROM generate_series(1, ${rows}) n`;
    await migrations.add(
      '20270104000000_counted',
      'CREATE TABLE counted (id bigint PRIMARY KEY, changes int, batch int)',
      fill,
    );
    expect(await fleet().run()).toMatchObject({ status: 'SUCCEEDED', succeeded: slugs.length });
    const schemaOf = async (slug: string) => (await fleet().placeOf(slug)).placement.schema;
    const south = await schemaOf('south');
    // One row keeps its batch from passing.
    await citus.rows(`ALTER TABLE ${south}.counted ADD CONSTRAINT counted_few CHECK (id <> 1500 OR changes = 0)`);
    const update = `UPDATE counted SET changes = changes + 1, batch = txid_current()::int WHERE KEYS`;
    await migrations.addBackfill('20270105000000_count', 'counted', update);
    const { items, ...result } = await fleet().run();
    expect(result).toMatchObject({ succeeded: slugs.length - 1, failed: 1 });
    expect(items.nodes.find(({ tenant }) => tenant.slug === 'south')?.error).toMatch(/counted_few.*rows of counted/s);
    const states = async (slug: string) =>
      citus.rows<{ changes: number; rows: number; batches: number }>(
        `SELECT changes, count(*)::int AS rows, count(DISTINCT batch)::int AS batches FROM ${await schemaOf(slug)}.counted
         GROUP BY changes ORDER BY changes`,
      );
    const [untouched, touched] = await states('south');
    expect(untouched).toMatchObject({ changes: 0, batches: 0 });
    expect(touched?.batches).toBeGreaterThan(1);
    await citus.rows(`ALTER TABLE ${south}.counted DROP CONSTRAINT counted_few`);
    expect(await fleet().run()).toMatchObject({ status: 'SUCCEEDED' });
    for (const slug of slugs) expect(await states(slug)).toMatchObject([{ changes: 1, rows }]);
    expect(await citus.rows(`SELECT FROM ${south}.migration_history WHERE cursor IS NOT NULL`)).toEqual([]);
  });

  it('whose file was changed are refused, until that is accepted', async () => {
    const { migrations, citus } = fleet();
    const name = '20270106000000_note';
    const note = (type: string) => migrations.add(name, `ALTER TABLE products ADD COLUMN note ${type}`);
    await note('text');
    expect(await fleet().run()).toMatchObject({ status: 'SUCCEEDED' });
    await note('varchar(200)');
    const plan = '{ migrationPlan(input: { verify: true }) { tenants { refusal } } }';
    const { migrationPlan } = await fleet().ask<{ migrationPlan: { tenants: object[] } }>(plan);
    const refusal = expect.stringMatching(/^MIGRATION_CHANGED/);
    expect(migrationPlan.tenants).toEqual(slugs.map(() => ({ refusal })));
    await fleet().command('migrate', 'accept', name);
    expect(await fleet().run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
    const hashes = await Promise.all(
      slugs.map(async (slug) => {
        const { schema } = (await fleet().placeOf(slug)).placement;
        return citus.rows<{ hash: string }>(`SELECT hash FROM ${schema}.migration_history WHERE name = $1`, [name]);
      }),
    );
    const [file] = (await fleet().app.services.migrations.tenant.read()).filter((each) => each.name === name);
    for (const rows of hashes) expect(rows.at(-1)).toEqual({ hash: file?.hash });
  });
});
