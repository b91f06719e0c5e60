import { rename } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

const [old, renamed, later] = ['20270101000000_books', '20270101000001_the_books', '20270102000000_later'];
let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({ 'old-database': 'DATABASE', 'old-schema': 'SCHEMA' });
  await fleet.migrations.add(old, 'CREATE TABLE books (id int)', 'INSERT INTO books VALUES (1)');
  await fleet.run();
});

afterAll(() => fleet[Symbol.asyncDispose]());

const move = (from: string, to: string) =>
  rename(path.join(fleet.migrations.path, `${from}.ts`), path.join(fleet.migrations.path, `${to}.ts`));

/** The migrations of all tenants, which are the same, without the first one. */
async function appliedIn(...slugs: string[]): Promise<readonly string[]> {
  const [first = [], ...others] = await Promise.all(slugs.map((slug) => fleet.applied(slug)));
  for (const names of others) expect(names).toEqual(first);
  return first.slice(1);
}

const expectOnce = async (...slugs: string[]) => {
  for (const slug of slugs) expect(await fleet.inTenant(slug, 'SELECT id FROM books'), slug).toEqual([{ id: 1 }]);
};

const accept = (name: string) =>
  fleet.ask<{ acceptMigrationHash: { tenant: { slug: string }; error: string | null }[] }>(
    `mutation { acceptMigrationHash(migration: "${name}") { tenant { slug } error } }`,
  );

// Case 31. A migration is known by its name, which is not PostgreSQL's matter: its history is a table of ours.
describe('an applied file that is only renamed', () => {
  const before = ['old-database', 'old-schema'];
  const made = ['new-database', 'new-schema'];

  it('is told as renamed, and applied to nobody again', async () => {
    await move(old, renamed);
    const told = `${old} has been applied, and the code has the same file as ${renamed}. Rename it back, or accept the new name with \`tenantry migrate accept ${renamed}\``;
    const plan = await commandsOf(fleet.app)('migrate', 'plan');
    expect(plan).toMatchObject({ exit: 1 });
    expect(plan.stdout + plan.stderr).toContain(told);
    const run = await fleet.run('verify: true');
    expect(run).toMatchObject({ status: 'FAILED', failed: 2 });
    for (const { error } of run.items.nodes) expect(error).toContain(`MIGRATION_UNKNOWN: ${told}`);
    expect(await appliedIn(...before)).toEqual([old]);
    await expectOnce(...before);
  });

  it('is accepted under its new name, so that older tenants fit the same files as those made meanwhile', async () => {
    await fleet.createTenants({ 'new-database': 'DATABASE', 'new-schema': 'SCHEMA' });
    expect(await appliedIn(...made)).toEqual([renamed]);
    const { acceptMigrationHash: accepted } = await accept(renamed);
    expect(accepted).toEqual(before.map((slug) => ({ tenant: { slug }, error: null })));
    await fleet.migrations.add(later, 'INSERT INTO books SELECT 2 WHERE false');
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    expect(await appliedIn(...before, ...made)).toEqual([renamed, later]);
    await expectOnce(...before, ...made);
  });

  it('is accepted when it is renamed back, in all tenants', async () => {
    await move(renamed, old);
    expect(await fleet.run('verify: true')).toMatchObject({ status: 'FAILED', failed: 4 });
    await accept(old);
    expect(await fleet.run('verify: true')).toMatchObject({ status: 'SUCCEEDED', skipped: 4 });
    expect(await appliedIn(...before, ...made)).toEqual([old, later]);
    await expectOnce(...before, ...made);
  });
});
