import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waveEnds } from '../../../src/fleet/runs/waves.ts';
import { Fleet, runFields, type ShownRun } from '../../support/fleet.ts';

describe('sizes of waves', () => {
  it.each([
    [[], 5, [5]],
    [['1', '10%', '100%'], 100, [1, 11, 100]],
    [['1'], 3, [1, 3]],
    [['50%'], 3, [2, 3]],
    [['10'], 3, [3]],
    [['1', '1', '1'], 2, [1, 2]],
    [['1', '100%'], 0, []],
  ])('%j of %i tenants end at %j', (sizes, count, ends) => {
    expect(waveEnds(sizes, count)).toEqual(ends);
  });
  it.each(['0', '-1', '101%', 'all', '', '1.5', '1 %'])('refuses %j', (size) => {
    expect(() => waveEnds([size], 10)).toThrow(/Invalid wave size/);
  });
});

describe('a run', () => {
  let fleet: Fleet;
  const slugs = ['t-one', 't-two', 't-three', 't-four', 't-five'];
  let next = 1;
  /** Adds a migration that fails on the tenants that are marked. */
  const addMigration = async (body = '') => {
    const name = `2027010100${String(next).padStart(4, '0')}_step`;
    const table = `step_${next}`;
    next += 1;
    await fleet.migrations.addClass(
      name,
      `override up() { this.addSql('CREATE TABLE ${table} (id int CHECK (id > 0))');
         this.addSql('INSERT INTO ${table} SELECT stock FROM products'); }
       ${body || `override down() { this.addSql('DROP TABLE ${table}'); }`}`,
    );
    return { name, table };
  };
  /** A product out of stock makes such a migration fail. */
  const breakTenant = (slug: string) =>
    fleet.inTenant(slug, `INSERT INTO products (sku, name, price, currency, stock) VALUES ('x', 'x', 1, 'EUR', 0)`);
  const mendTenant = (slug: string) => fleet.inTenant(slug, 'DELETE FROM products');
  const control = async (mutation: string): Promise<ShownRun> => {
    const data = await fleet.ask<Record<string, { id: string }>>(`mutation { control: ${mutation} { id } }`);
    const id = data.control?.id ?? '';
    await fleet.events(id);
    return fleet.runNow(id);
  };
  const statuses = (run: ShownRun) => run.items.nodes.map(({ status }) => status);
  const has = async (slug: string, table: string) =>
    (await fleet.inTenant<{ there: boolean }>(slug, `SELECT to_regclass('${table}') IS NOT NULL AS there`))[0]?.there;

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants(
      Object.fromEntries(slugs.map((slug, index) => [slug, index % 2 === 0 ? 'SCHEMA' : 'DATABASE'])),
    );
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('goes in waves, canaries first, and stops before the next one when a canary fails', async () => {
    const { table } = await addMigration();
    await breakTenant('t-three');
    const run = await fleet.run(', waves: ["1", "50%"], canaries: ["t-three"]');
    expect(run).toMatchObject({ status: 'HALTED', total: 5, failed: 1, cancelled: 4, pending: 0, succeeded: 0 });
    expect(run.items.nodes.map(({ tenant, status }) => [tenant.slug, status])).toEqual([
      ['t-three', 'FAILED'],
      ['t-one', 'CANCELLED'],
      ['t-two', 'CANCELLED'],
      ['t-four', 'CANCELLED'],
      ['t-five', 'CANCELLED'],
    ]);
    expect(await has('t-one', table)).toBe(false);
    expect(await fleet.refusal(`mutation { cancelMigrationRun(id: "${run.id}") { id } }`)).toEqual({
      code: 'CONFLICT',
      message: 'The run has already ended: it is HALTED. You can resume it for its remaining tenants.',
    });

    await mendTenant('t-three');
    const resumed = await control(`resumeMigrationRun(id: "${run.id}")`);
    expect(resumed).toMatchObject({ status: 'SUCCEEDED', total: 5, succeeded: 5, failed: 0, cancelled: 0 });
    const events = await fleet.events(run.id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ kind }) => kind === 'WAVE_STARTED').map(({ message }) => message)).toEqual([
      'wave 1 of 3: 1 tenant',
      'wave 1 of 3: 1 tenant',
      'wave 2 of 3: 3 tenants',
      'wave 3 of 3: 1 tenant',
    ]);
    expect(events.filter(({ kind }) => kind.startsWith('RUN_')).map(({ kind }) => kind)).toEqual([
      'RUN_STARTED',
      'RUN_ENDED',
      'RUN_RESUMED',
      'RUN_ENDED',
    ]);
    expect(await fleet.refusal(`mutation { resumeMigrationRun(id: "${run.id}") { id } }`)).toMatchObject({
      code: 'CONFLICT',
    });
  });

  it('goes on to the next wave if no more fail than may', async () => {
    await addMigration();
    await breakTenant('t-one');
    const run = await fleet.run(', waves: ["1"], maxFailures: 1');
    expect(run).toMatchObject({ status: 'FAILED', failed: 1, succeeded: 4 });
    await mendTenant('t-one');
    expect(await control(`resumeMigrationRun(id: "${run.id}")`)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('starts no tenant after the first failure when it may not continue', async () => {
    await addMigration();
    await breakTenant('t-one');
    const run = await fleet.run(', continueOnError: false, concurrency: 1');
    expect(run).toMatchObject({ status: 'HALTED', failed: 1, pending: 0 });
    expect(statuses(run)).toContain('CANCELLED');
    await mendTenant('t-one');
    expect(await control(`resumeMigrationRun(id: "${run.id}")`)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('can be cancelled: what is under way ends, the rest is not started, and can be resumed', async () => {
    const { table } = await addMigration();
    // The first tenant waits for this lock, so that the run is under way for sure.
    const blocker = await fleet.sessionIn('t-one');
    await blocker.query('BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE');
    const id = await fleet.startRun(', concurrency: 1');
    for await (const { kind } of fleet.follow(id)) if (kind === 'TENANT_STARTED') break;
    await fleet.ask(`mutation { cancelMigrationRun(id: "${id}") { id } }`);
    await blocker.query('ROLLBACK');
    await fleet.end(blocker);
    const events = await fleet.events(id);
    expect(events.map(({ kind }) => kind)).toContain('RUN_CANCELLED');
    const run = await fleet.runNow(id);
    expect(run).toMatchObject({ status: 'CANCELLED', total: 5, pending: 0 });
    expect(run.cancelled).toBeGreaterThanOrEqual(3);
    expect(await has('t-five', table)).toBe(false);
    expect(await fleet.refusal(`mutation { cancelMigrationRun(id: "${id}") { id } }`)).toMatchObject({
      code: 'CONFLICT',
    });
    expect(await control(`resumeMigrationRun(id: "${id}")`)).toMatchObject({ status: 'SUCCEEDED', cancelled: 0 });
    expect(await has('t-five', table)).toBe(true);
  });

  it('ends as SUCCEEDED if somebody cancels it when nothing is left to start, and can be resumed no more', async () => {
    const { table } = await addMigration();
    const blocker = await fleet.sessionIn('t-one');
    await blocker.query('BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE');
    const id = await fleet.startRun(', tenants: ["t-one"]');
    for await (const { kind } of fleet.follow(id)) if (kind === 'TENANT_STARTED') break;
    expect(await fleet.cancel(id)).toBe(true);
    await blocker.query('ROLLBACK');
    await fleet.end(blocker);
    await fleet.events(id);
    expect(await fleet.runNow(id)).toMatchObject({ status: 'SUCCEEDED', succeeded: 1, cancelled: 0, pending: 0 });
    expect(await has('t-one', table)).toBe(true);
    expect(await fleet.refusal(`mutation { resumeMigrationRun(id: "${id}") { id } }`)).toMatchObject({
      code: 'CONFLICT',
      message: 'All tenants of this run have succeeded or been deleted, so nothing is left to do',
    });
    expect(await fleet.refusal(`mutation { cancelMigrationRun(id: "${id}") { id } }`)).toMatchObject({
      code: 'CONFLICT',
      message: 'The run has already ended: it is SUCCEEDED.',
    });
    await fleet.run();
  });

  it('ends as FAILED, not as HALTED, if too many fail when nothing is left to start', async () => {
    await addMigration();
    await breakTenant('t-one');
    const run = await fleet.run(', tenants: ["t-one"], continueOnError: false');
    expect(run).toMatchObject({ status: 'FAILED', failed: 1, cancelled: 0 });
    await mendTenant('t-one');
    expect(await control(`resumeMigrationRun(id: "${run.id}")`)).toMatchObject({ status: 'SUCCEEDED' });
    await fleet.run();
  });

  it('can be undone: exactly what it applied, on exactly those tenants', async () => {
    const earlier = await addMigration();
    await fleet.run(', tenants: ["t-one"]');
    const later = await addMigration();
    const run = await fleet.run(`, tenants: ["t-one", "t-two"]`);
    expect(run.items.nodes.map(({ applied }) => applied)).toEqual([[later.name], [earlier.name, later.name]]);

    const undone = await control(`undoMigrationRun(id: "${run.id}")`);
    expect(undone).toMatchObject({ status: 'SUCCEEDED', total: 2, succeeded: 2 });
    expect(undone.items.nodes.map(({ applied }) => applied)).toEqual([[later.name], [later.name, earlier.name]]);
    expect([await has('t-one', earlier.table), await has('t-one', later.table)]).toEqual([true, false]);
    expect([await has('t-two', earlier.table), await has('t-two', later.table)]).toEqual([false, false]);
    const { tenant, migrationHistory } = await fleet.ask<{
      tenant: { behind: number };
      migrationHistory: { nodes: { name: string; status: string; run: string }[] };
    }>(`{ tenant(slug: "t-two") { behind }
      migrationHistory(tenant: "t-two", first: 4) { nodes { name status run } } }`);
    expect(tenant.behind).toBe(2);
    expect(migrationHistory.nodes).toEqual([
      { name: earlier.name, status: 'REVERTED', run: undone.id },
      { name: later.name, status: 'REVERTED', run: undone.id },
      { name: later.name, status: 'REVERTED', run: run.id },
      { name: earlier.name, status: 'REVERTED', run: run.id },
    ]);
    // Undone once, it can be applied again.
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
  });

  it('can be undone also where a changed file has been accepted since', async () => {
    const { name, table } = await addMigration();
    const run = await fleet.run(', tenants: ["t-one"]');
    await fleet.migrations.addReversible(name, `CREATE TABLE ${table} (id bigint)`, `DROP TABLE ${table}`);
    await fleet.ask(`mutation { acceptMigrationHash(migration: "${name}") { error } }`);
    expect(statuses(await control(`undoMigrationRun(id: "${run.id}")`))).toEqual(['SUCCEEDED']);
    expect(await has('t-one', table)).toBe(false);
  });

  it('is not undone twice, and says which run has undone it, also where newer ones stand on its migrations by now', async () => {
    const first = await addMigration();
    const run = await fleet.run(', tenants: ["t-one", "t-two"]');
    const undo = await control(`undoMigrationRun(id: "${run.id}")`);
    const again = async () => {
      const { code, message } = await fleet.refusal(`mutation { undoMigrationRun(id: "${run.id}") { id } }`);
      expect(code).toBe('CONFLICT');
      expect(message).toMatch(new RegExp(`^This run has already been undone, by the run ${undo.id}\\. `));
    };
    await again();
    const second = await addMigration();
    await fleet.run(', tenants: ["t-one", "t-two"]');
    await again();
    for (const { table } of [first, second]) expect(await has('t-one', table)).toBe(true);
  });

  it('is undone where that failed the first time, whatever has been applied to the others since', async () => {
    const first = await addMigration();
    const run = await fleet.run(', tenants: ["t-one", "t-two"]');
    // Its down() cannot drop a table on which something depends.
    await fleet.inTenant('t-two', `CREATE VIEW obstacle AS SELECT * FROM ${first.table}`);
    expect(statuses(await control(`undoMigrationRun(id: "${run.id}")`))).toEqual(['SUCCEEDED', 'FAILED']);
    await fleet.inTenant('t-two', 'DROP VIEW obstacle');
    await addMigration();
    await fleet.run(', tenants: ["t-one"]');
    const undo = await control(`undoMigrationRun(id: "${run.id}")`);
    expect(undo.items.nodes.map(({ tenant }) => tenant.slug)).toEqual(['t-two']);
    expect(statuses(undo)).toEqual(['SUCCEEDED']);
    expect([await has('t-one', first.table), await has('t-two', first.table)]).toEqual([true, false]);
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
  });

  it('is not undone where something newer stands on it, or a step has no down(), and says where', async () => {
    const first = await addMigration();
    const run = await fleet.run();
    const second = await addMigration(' ');
    await fleet.run(', tenants: ["t-four"]');
    const newer = await fleet.refusal(`mutation { undoMigrationRun(id: "${run.id}") { id } }`);
    expect(newer.code).toBe('CONFLICT');
    expect(newer.message).toMatch(new RegExp(`${second.name} was applied after ${first.name}.*t-four`));
    const irreversible = await fleet.run();
    const refused = await fleet.refusal(`mutation { undoMigrationRun(id: "${irreversible.id}") { id } }`);
    expect(refused.code).toBe('IRREVERSIBLE');
    expect(refused.message).toMatch(new RegExp(`${second.name} has no down\\(\\).*t-one, t-two`));
    for (const slug of slugs) expect(await has(slug, first.table)).toBe(true);
    await fleet.migrations.remove(second.name);
  });

  it('takes migrations back by steps and down to a name', async () => {
    const fresh = 't-fresh';
    const [a, b, c] = [await addMigration(), await addMigration(), await addMigration()];
    await fleet.createTenants({ [fresh]: 'DATABASE' });
    const dry = await control(`rollbackMigrations(input: { tenants: ["${fresh}"], steps: 1, dryRun: true })`);
    expect(dry).toMatchObject({ status: 'SUCCEEDED', dryRun: true, succeeded: 1 });
    expect(await has(fresh, c.table)).toBe(true);
    const one = await control(`rollbackMigrations(input: { tenants: ["${fresh}"], steps: 1 })`);
    expect(one.items.nodes[0]?.applied).toEqual([c.name]);
    const rest = await control(`rollbackMigrations(input: { tenants: ["${fresh}"], to: "${a.name}" })`);
    expect(rest.items.nodes[0]?.applied).toEqual([b.name]);
    expect([await has(fresh, a.table), await has(fresh, b.table)]).toEqual([true, false]);
    const again = await control(`rollbackMigrations(input: { tenants: ["${fresh}"], to: "${a.name}" })`);
    expect(again).toMatchObject({ status: 'SUCCEEDED', skipped: 1, succeeded: 0 });
  });

  it.each([
    ['', 'steps or to'],
    ['steps: 1, to: "x"', 'steps or to'],
    ['steps: 0', '1 or more'],
    ['to: "nothing"', 'There is no tenant migration nothing'],
  ])('refuses to roll back by {%s}', async (input, message) => {
    const refused = await fleet.refusal(`mutation { rollbackMigrations(input: { ${input} }) { ${runFields} } }`);
    expect(refused.code).toBe('BAD_USER_INPUT');
    expect(refused.message).toContain(message);
  });

  it('leaves no claim behind', async () => {
    const claimed = 'SELECT FROM migration_run_items WHERE claim IS NOT NULL OR claimed_by IS NOT NULL';
    expect(await fleet.inCatalog(claimed)).toEqual([]);
  });
});
