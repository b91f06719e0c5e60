import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownerShellName } from '../../src/servers/tenant-sessions.ts';
import { eventually } from '../support/eventually.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { openTestApp, type TestApp } from '../support/start-app.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

/** How often a move races with the removal of its target. */
const RACES = 6;

describe('a move', () => {
  let lab: TransferLab;
  let migrations: MigrationDir;
  let worker: TestApp | undefined;
  beforeAll(async () => {
    migrations = await makeMigrationDir();
    await migrations.add('20261122000000_edited', 'CREATE TABLE edited (id int)');
    // Its results depend on where it runs, although it says that they do not.
    await migrations.add(
      '20261122010000_liar',
      `CREATE FUNCTION liar(v text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT v || current_schema()';
       CREATE TABLE lies (v text, w text GENERATED ALWAYS AS (liar(v)) STORED)`,
    );
    lab = await startTransferLab({ TENANT_MIGRATIONS_DIR: migrations.path, WORKER: 'off' }, { ownFirst: true });
  });
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
  });

  const startWorker = async () => {
    const { config } = lab.app.services;
    worker ??= await openTestApp({ ...config, migrations: { ...config.migrations, worker: 'inline' } });
  };
  const sql = async <Row extends object>(slug: string, text: string) => {
    const { database, schema } = await lab.rowOf(slug);
    return lab.first.rows<Row>(`SET search_path = "${schema}"; ${text}`, undefined, database);
  };

  it('of a tenant with large objects that were made after it was asked for fails, and names them', async () => {
    await lab.createTenant('large', 'DATABASE');
    const id = await lab.move('large', 'server: "b"');
    await sql('large', 'SELECT lo_create(0)');
    await startWorker();
    expect(await lab.ended(id)).toMatchObject({
      status: 'FAILED',
      error: expect.stringMatching(/has 1 large object of this tenant, which belong to no table/),
    });
    await lab.addProducts('large', 'still-served');
    expect(await lab.failure('mutation { moveTenant(input: { tenant: "large", server: "b" }) { id } }')).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('1 large object'),
    });
    await sql('large', 'SELECT lo_unlink(oid) FROM pg_largeobject_metadata');
    expect(await lab.ended(await lab.move('large', 'isolation: SCHEMA'))).toMatchObject({ status: 'SUCCEEDED' });
    expect(await lab.skusOf('large')).toEqual(['still-served']);
  });

  it('to a server that is being removed either begins, or says that there is no such server', async () => {
    await startWorker();
    const { servers } = lab.app.services;
    await lab.createTenant('racing', 'SCHEMA');
    for (let round = 0; round < RACES; round += 1) {
      const move = () =>
        lab.app.ask(
          'mutation { moveTenant(input: { tenant: "racing", server: "b", keepHours: 0 }) { id } }',
          lab.app.admin,
        );
      const remove = () => servers.remove('b').then(() => 'removed', String);
      // Without that, the removal always wins: a move begins with checks.
      const delayMs = [0, 5, 10, 20, 40, 80][round] ?? 0;
      const [answer, removal] = await Promise.all([move(), sleep(delayMs).then(remove)]);
      if (removal === 'removed') {
        expect(answer.errors?.[0]).toMatchObject({
          message: expect.stringContaining('There is no server b'),
          extensions: { code: 'NOT_FOUND' },
        });
        await servers.add('b', lab.second.env.DATABASE_URL);
        continue;
      }
      expect(removal).toMatch(
        /The server b has 1 tenant|Transfers of tenants to or from the server b have not finished/,
      );
      expect(answer.errors).toBeUndefined();
      const { id } = Object(answer.data?.moveTenant);
      expect(await lab.ended(id)).toMatchObject({ status: 'SUCCEEDED' });
      const back = await lab.ended(await lab.move('racing', 'server: "default", keepHours: 0'));
      expect(back).toMatchObject({ status: 'SUCCEEDED' });
    }
    expect(await lab.skusOf('racing')).toEqual([]);
  });

  it('whose copy has other values is found out, and the tenant is served where it was', async () => {
    await startWorker();
    await lab.createTenant('lying', 'SCHEMA');
    await sql('lying', `INSERT INTO lies (v) VALUES ('a')`);
    const before = await lab.placementOf('lying');
    const ended = await lab.ended(await lab.move('lying', 'server: "b", isolation: DATABASE'));
    expect(ended).toMatchObject({
      status: 'FAILED',
      error: expect.stringMatching(
        /^The copy of tenant_\w+ in the database shared is not equal to it: lies has other values/,
      ),
    });
    expect(await lab.placementOf('lying')).toEqual(before);
    await lab.addProducts('lying', 'still-served');
    expect(await lab.skusOf('lying')).toEqual(['still-served']);
  });

  it('of a tenant whose changed migration has been accepted succeeds', async () => {
    await startWorker();
    await lab.createTenant('edited', 'SCHEMA');
    await migrations.add('20261122000000_edited', 'CREATE TABLE edited (id integer)');
    const move = 'mutation { moveTenant(input: { tenant: "edited", server: "b" }) { id } }';
    expect(await lab.failure(move)).toMatchObject({ code: 'MIGRATION_CHANGED' });
    await lab.ask('mutation { acceptMigrationHash(migration: "20261122000000_edited") { name } }');
    for (const to of ['server: "b"', 'isolation: DATABASE']) {
      expect(await lab.ended(await lab.move('edited', to))).toMatchObject({ status: 'SUCCEEDED', error: null });
    }
  });

  it('ends the sessions of those who work as the owner, and has all that they had written', async () => {
    await startWorker();
    for (const isolation of ['DATABASE', 'SCHEMA'] as const) {
      const slug = `owned-${isolation.toLowerCase()}`;
      await lab.createTenant(slug, isolation);
      const { key, database, schema } = await lab.rowOf(slug);
      const shell = new pg.Client({ ...lab.first.connection, database, application_name: ownerShellName(key) });
      // PostgreSQL's message, and then the end of the connection.
      const lost = new Promise((resolve) => shell.on('error', resolve));
      await shell.connect();
      const confirmed: string[] = [];
      const writing = (async () => {
        for (let n = 0; ; n += 1) {
          await shell.query(
            `INSERT INTO "${schema}".products (sku, name, price, currency, stock) VALUES ($1, 'n', 1, 'EUR', 0)`,
            [`o-${n}`],
          );
          confirmed.push(`o-${n}`);
        }
      })().catch(() => undefined);
      await eventually('the owner writes', async () => confirmed.length > 20);
      expect(await lab.ended(await lab.move(slug, 'server: "b"'))).toMatchObject({ status: 'SUCCEEDED' });
      await Promise.all([writing, lost]);
      const { products } = await lab.ask('{ products { totalCount } }', await lab.app.tokenFor(slug));
      const { totalCount } = products as { totalCount: number };
      // The last one may have been stored without its owner hearing of it.
      expect([confirmed.length, confirmed.length + 1]).toContain(totalCount);
    }
  });
});
