import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type MigrationDir, makeMigrationDir } from '../../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';

describe('the history of a tenant that is deleted', () => {
  let app: TestApp;
  let folder: MigrationDir;
  let run: string;
  beforeAll(async () => {
    folder = await makeMigrationDir();
    app = await startTestApp({ TENANT_MIGRATIONS_DIR: folder.path, DEFAULT_ISOLATION: 'schema' });
    for (const slug of ['gone', 'kept', 'broken']) {
      await ask(`mutation { createTenant(input: { slug: "${slug}", name: "x" }) { id } }`);
    }
    // It fails where there is a product.
    await ask(
      'mutation { createProduct(input: { sku: "a", name: "a", price: "1.00", currency: "EUR" }) { sku } }',
      await app.tokenFor('broken'),
    );
    await folder.addReversible(
      '20270101000000_more',
      'ALTER TABLE products ADD COLUMN more integer NOT NULL',
      'ALTER TABLE products DROP COLUMN more',
    );
    run = (await ask('mutation { answer: runMigrations(input: { wait: true }) { id } }')).answer.id;
    for (const slug of ['gone', 'broken']) {
      await ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { id } }`);
    }
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  async function ask(text: string, headers = app.admin) {
    const { data, errors } = await app.ask(text, headers);
    expect(errors).toBeUndefined();
    // Of the shape that each query asks for.
    return JSON.parse(JSON.stringify(data));
  }

  /** What is asked of a run, when it has ended. */
  const ended = (id: string, fields: string) =>
    eventually(`the run ${id} ends`, async () => {
      const { migrationRun } = await ask(`{ migrationRun(id: "${id}") { endedAt ${fields} } }`);
      const { endedAt, ...rest } = migrationRun;
      return endedAt !== null && rest;
    });

  it('stays in the counts of the run, and is not listed', async () => {
    const items = 'items { totalCount nodes { tenant { slug } status applied } }';
    const { migrationRun } = await ask(`{ migrationRun(id: "${run}") { status total succeeded failed ${items} } }`);
    const applied = ['20270101000000_more'];
    expect(migrationRun).toEqual({
      status: 'FAILED',
      total: 3,
      succeeded: 2,
      failed: 1,
      items: { totalCount: 1, nodes: [{ tenant: { slug: 'kept' }, status: 'SUCCEEDED', applied }] },
    });
  });

  it('stays in the history of the fleet', async () => {
    const { migrationHistory } = await ask('{ migrationHistory { nodes { tenant { slug } deletedTenant status } } }');
    expect(migrationHistory.nodes).toEqual(
      expect.arrayContaining([
        { tenant: null, deletedTenant: 'gone', status: 'APPLIED' },
        { tenant: { slug: 'kept' }, deletedTenant: null, status: 'APPLIED' },
        { tenant: null, deletedTenant: 'broken', status: 'ROLLED_BACK' },
      ]),
    );
  });

  it('keeps nobody from following, resuming or undoing the run, which leave the tenant out', async () => {
    const resumed = await app.ask(`mutation { resumeMigrationRun(id: "${run}") { id } }`, app.admin);
    expect(resumed.errors?.[0]).toMatchObject({
      message: 'All tenants of this run have succeeded or been deleted, so nothing is left to do',
      extensions: { code: 'CONFLICT' },
    });
    const { answer } = await ask(`mutation { answer: undoMigrationRun(id: "${run}") { id } }`);
    expect(await ended(answer.id, 'status items { nodes { tenant { slug } } }')).toEqual({
      status: 'SUCCEEDED',
      items: { nodes: [{ tenant: { slug: 'kept' } }] },
    });
  });

  it('counts as skipped in a run that is resumed for others', async () => {
    await folder.remove('20270101000000_more');
    for (const slug of ['first', 'second']) {
      await ask(`mutation { createTenant(input: { slug: "${slug}", name: "x" }) { id } }`);
      await ask(
        'mutation { createProduct(input: { sku: "a", name: "a", price: "1.00", currency: "EUR" }) { sku } }',
        await app.tokenFor(slug),
      );
    }
    await folder.add('20270102000000_other', 'ALTER TABLE products ADD COLUMN other integer NOT NULL');
    const input = 'input: { tenants: ["first", "second"], wait: true, continueOnError: true }';
    const { answer } = await ask(`mutation { answer: runMigrations(${input}) { id failed } }`);
    expect(answer.failed).toBe(2);
    await ask('mutation { deleteTenant(id: "first", slug: "first", purge: true) { id } }');
    await folder.add('20270102000000_other', 'ALTER TABLE products ADD COLUMN other integer');
    const counts = 'status total succeeded failed skipped pending';
    await ask(`mutation { resumeMigrationRun(id: "${answer.id}") { id } }`);
    expect(await ended(answer.id, counts)).toEqual({
      status: 'SUCCEEDED',
      total: 2,
      succeeded: 1,
      failed: 0,
      skipped: 1,
      pending: 0,
    });
  });
});
