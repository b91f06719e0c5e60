import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

const NAME = '20270101000000_busy';

let fleet: Fleet;
let tenantry: ReturnType<typeof commandsOf>;

beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
  tenantry = commandsOf(fleet.app);
  await fleet.createTenants({ acme: 'SCHEMA' });
  await fleet.migrations.addReversible(NAME, 'CREATE INDEX by_stock ON products (stock)', 'DROP INDEX by_stock');
});
afterAll(() => fleet[Symbol.asyncDispose]());

it('warns of what is dangerous on tables with rows in plan and check, and fails only if it is to be strict', async () => {
  const shown = expect.stringMatching(
    /^WARNING require-concurrent-index-creation \(20270101000000_busy, line \d\)\n {2}CREATE INDEX by_stock ON products \(stock\)\n {2}Nobody can write to products .*\n {2}Build it .*\n {2}CREATE INDEX CONCURRENTLY by_stock ON products \(stock\);$/m,
  );
  expect(await tenantry('migrate', 'plan')).toMatchObject({ exit: 0, stdout: shown });
  expect((await tenantry('migrate', 'check')).stdout).toEqual(shown);
  const { exit, stdout } = await tenantry('migrate', 'check', '--strict', '--json');
  expect(exit).toBe(1);
  expect(JSON.parse(stdout)).toContainEqual(
    expect.objectContaining({ kind: 'WARNING', migration: NAME, rule: 'require-concurrent-index-creation' }),
  );
  const plan = await tenantry('migrate', 'plan', '--json');
  expect(JSON.parse(plan.stdout).warnings).toMatchObject([{ migration: NAME, severity: 'WARNING', table: 'products' }]);
});

it('shows them in the API, with the reason for which one is allowed', async () => {
  const fields = 'migrations { name warnings { rule severity message advice line statement allowedBecause } }';
  const inPlan = async () =>
    (await fleet.ask<{ migrationPlan: { migrations: unknown[] } }>(`{ migrationPlan { ${fields} } }`)).migrationPlan
      .migrations;
  const warning = {
    rule: 'require-concurrent-index-creation',
    severity: 'WARNING',
    message: expect.stringContaining('Nobody can write to products'),
    advice: expect.stringContaining('CREATE INDEX CONCURRENTLY'),
    line: 2,
    statement: 'CREATE INDEX by_stock ON products (stock)',
    allowedBecause: null,
  };
  expect(await inPlan()).toEqual([{ name: NAME, warnings: [warning] }]);
  const allowed = '-- tenantry: allow require-concurrent-index-creation because the table is small\n';
  await fleet.migrations.addReversible(
    NAME,
    `${allowed}CREATE INDEX by_stock ON products (stock)`,
    'DROP INDEX by_stock',
  );
  expect(await inPlan()).toEqual([
    // The file has the line break as an escape sequence, so the statement's line is not known.
    { name: NAME, warnings: [{ ...warning, line: null, allowedBecause: 'the table is small' }] },
  ]);
  expect((await tenantry('migrate', 'plan')).stdout).toContain(
    `ALLOWED require-concurrent-index-creation (${NAME}): because the table is small\n`,
  );
  expect((await tenantry('migrate', 'check', '--strict')).stdout).not.toContain('WARNING');
});
