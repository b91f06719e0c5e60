import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';

const fixture = '20261121000000_fixture';
const [first, second, asking] = ['20270101000001_first', '20270101000002_second', '20270101000003_asking'];

interface ShownPlan {
  readonly totalCount: number;
  readonly upToDateCount: number;
  readonly migrations: readonly { readonly name: string }[];
  readonly tenants: readonly {
    readonly tenant: { readonly slug: string };
    readonly pending: readonly string[];
    readonly sql: readonly string[];
    readonly refusal: string | null;
    readonly warnings: readonly string[];
  }[];
}

describe('the plan for a fleet', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ 'alpha-db': 'DATABASE', 'beta-schema': 'SCHEMA', 'gamma-db': 'DATABASE' });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const plan = async (input = '') => {
    const query = `{ migrationPlan(input: { ${input} }) {
      totalCount upToDateCount migrations { name } tenants { tenant { slug } pending sql refusal warnings } } }`;
    return (await fleet.ask<{ migrationPlan: ShownPlan }>(query)).migrationPlan;
  };
  const nothing = { refusal: null, warnings: [] };

  it('is empty when every tenant is current, and says the same without an input', async () => {
    const empty = { totalCount: 3, upToDateCount: 3, migrations: [], tenants: [] };
    expect(await plan()).toEqual(empty);
    expect(await fleet.ask('{ migrationPlan { totalCount upToDateCount tenants { pending } } }')).toEqual({
      migrationPlan: { totalCount: 3, upToDateCount: 3, tenants: [] },
    });
  });

  it('shows for each tenant what it lacks, with the SQL, and changes nothing', async () => {
    await fleet.migrations.add(first, 'CREATE TABLE one (id int)', 'INSERT INTO one VALUES (1)');
    await fleet.migrations.add(second, 'CREATE TABLE two (id int)');
    await fleet.run(`tenants: ["beta-schema"], to: "${first}"`);
    await fleet.run('tenants: ["gamma-db"]');
    const expected = {
      totalCount: 3,
      upToDateCount: 1,
      migrations: [{ name: first }, { name: second }],
      tenants: [
        {
          tenant: { slug: 'alpha-db' },
          pending: [first, second],
          sql: ['CREATE TABLE one (id int)', 'INSERT INTO one VALUES (1)', 'CREATE TABLE two (id int)'],
          ...nothing,
        },
        { tenant: { slug: 'beta-schema' }, pending: [second], sql: ['CREATE TABLE two (id int)'], ...nothing },
      ],
    };
    expect(await plan()).toEqual(expected);
    expect(await plan('verify: true')).toEqual(expected);
    expect(await fleet.inTenant('alpha-db', `SELECT to_regclass('one') AS one`)).toEqual([{ one: null }]);
  });

  it('shows its tenants page by page', async () => {
    const page = async (args: string) => {
      const { migrationPlan } = await fleet.ask<{ migrationPlan: { tenants: { tenant: { slug: string } }[] } }>(
        `{ migrationPlan { totalCount tenants${args} { tenant { slug } } } }`,
      );
      return migrationPlan.tenants.map(({ tenant }) => tenant.slug);
    };
    expect(await page('')).toEqual(['alpha-db', 'beta-schema']);
    expect(await page('(first: 1)')).toEqual(['alpha-db']);
    expect(await page('(first: 1, after: "alpha-db")')).toEqual(['beta-schema']);
    const { id } = await fleet.tenant('beta-schema');
    expect(await page(`(after: "${id}")`)).toEqual([]);
    // It is up to date, as a tenant may be by the time the next page is asked for.
    expect(await page('(after: "gamma-db")')).toEqual([]);
    for (const [args, message] of [
      ['first: 0', 'first must be from 1 to 1000'],
      ['first: 1001', 'first must be from 1 to 1000'],
      ['after: "nobody"', 'The plan has no tenant nobody'],
    ]) {
      expect(await fleet.refusal(`{ migrationPlan { tenants(${args}) { refusal } } }`)).toEqual({
        code: 'BAD_USER_INPUT',
        message,
      });
    }
  });

  it('takes the same arguments as a run', async () => {
    expect(await plan(`to: "${first}"`)).toMatchObject({
      totalCount: 3,
      upToDateCount: 2,
      migrations: [{ name: first }],
      tenants: [{ tenant: { slug: 'alpha-db' }, pending: [first] }],
    });
    const { id } = await fleet.tenant('beta-schema');
    expect(await plan(`tenants: ["${id}", "gamma-db"]`)).toMatchObject({
      totalCount: 2,
      upToDateCount: 1,
      tenants: [{ tenant: { slug: 'beta-schema' } }],
    });
    expect(await fleet.refusal('{ migrationPlan(input: { tenants: ["nobody"] }) { totalCount } }')).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await fleet.refusal('{ migrationPlan(input: { to: "nonsense" }) { totalCount } }')).toMatchObject({
      code: 'BAD_USER_INPUT',
    });
  });

  it('does not pretend to know what a migration sends that asks the database', async () => {
    await fleet.migrations.addClass(asking, `async up() { await this.execute('SELECT 1'); }`);
    expect((await plan('tenants: ["gamma-db"]')).tenants[0]).toMatchObject({
      pending: [asking],
      sql: [`-- ${asking} queries the database while it runs, so its statements are not known in advance`],
    });
    await fleet.migrations.remove(asking);
  });

  it('believes the catalog, unless it is to verify', async () => {
    await fleet.inTenant('gamma-db', `DELETE FROM migration_history WHERE name = '${second}'`);
    expect(await plan('tenants: ["gamma-db"]')).toMatchObject({ upToDateCount: 1, tenants: [] });
    expect(await plan('tenants: ["gamma-db"], verify: true')).toMatchObject({
      upToDateCount: 0,
      tenants: [{ pending: [second] }],
    });
    await fleet.inTenant('gamma-db', 'DROP TABLE two');
    expect(await fleet.run('tenants: ["gamma-db"], verify: true')).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
  });

  it('tells why a tenant is refused, as the run does, and plans the others', async () => {
    const hash = (
      await fleet.inTenant<{ hash: string }>('gamma-db', `SELECT hash FROM migration_history WHERE name = '${second}'`)
    )[0]?.hash;
    await fleet.migrations.add(second, 'CREATE TABLE two (id bigint)');
    const changed = await plan();
    expect(changed).toMatchObject({ totalCount: 3, upToDateCount: 0 });
    expect(changed.tenants.map(({ tenant, pending }) => [tenant.slug, pending])).toEqual([
      ['alpha-db', [first, second]],
      ['beta-schema', [second]],
      ['gamma-db', []],
    ]);
    expect(changed.tenants[2]?.refusal).toMatch(
      new RegExp(`^MIGRATION_CHANGED: ${second} .* its hash was ${hash?.slice(0, 12)} and is now [0-9a-f]{12}\\.`),
    );
    const run = await fleet.run('dryRun: true');
    expect(run.items.nodes[2]?.error).toBe(changed.tenants[2]?.refusal);
    await fleet.migrations.remove(second);
    expect((await plan()).tenants.map(({ tenant, refusal }) => [tenant.slug, refusal?.split(' ')[0]])).toEqual([
      ['alpha-db', undefined],
      ['gamma-db', 'MIGRATION_UNKNOWN:'],
    ]);
    await fleet.migrations.add(second, 'CREATE TABLE two (id int)');
  });

  it('warns of a migration that is dated before one that is applied', async () => {
    const late = '20261122000000_late';
    await fleet.migrations.add(late, 'SELECT 1');
    expect((await plan()).tenants.map(({ warnings }) => warnings)).toEqual([
      [],
      [`${late} is dated before ${first}, which is already applied`],
      [`${late} is dated before ${second}, which is already applied`],
    ]);
    await fleet.migrations.remove(late);
  });

  it('goes on without a tenant that cannot be looked into, and says so', async () => {
    const admin = await fleet.session('postgres');
    const { database } = await fleet.tenant('gamma-db');
    await admin.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [database]);
    await admin.query(`ALTER DATABASE ${database} RENAME TO elsewhere`);
    const verified = await plan('verify: true');
    await admin.query(`ALTER DATABASE elsewhere RENAME TO ${database}`);
    await fleet.end(admin);
    expect(verified).toMatchObject({ totalCount: 3, upToDateCount: 0 });
    expect(verified.tenants.map(({ tenant, pending }) => [tenant.slug, pending])).toEqual([
      ['alpha-db', [first, second]],
      ['beta-schema', [second]],
      ['gamma-db', []],
    ]);
    expect(verified.tenants[2]?.refusal).toMatch(
      new RegExp(`^Its database cannot be read: database "${database}" does not exist`),
    );
  });

  it('is empty again when it has been carried out', async () => {
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 2, skipped: 1 });
    expect(await plan('verify: true')).toEqual({ totalCount: 3, upToDateCount: 3, migrations: [], tenants: [] });
    expect(await fleet.ask('{ tenants { nodes { version behind } } migrations { name } }')).toEqual({
      tenants: { nodes: Array(3).fill({ version: second, behind: 0 }) },
      migrations: [{ name: fixture }, { name: first }, { name: second }],
    });
  });
});
