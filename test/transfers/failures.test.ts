import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { findPlaces, type Places } from '../support/places.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

/** How many rows a move copies that a test looks at. */
const ROWS = 20_000;

describe('a transfer', () => {
  let lab: TransferLab;
  let migrations: MigrationDir;
  beforeAll(async () => {
    migrations = await makeMigrationDir();
    // Two of these products cannot have the same name, as they would have when they are masked.
    const index = `CREATE UNIQUE INDEX products_unmaskable_key ON products (name) WHERE sku LIKE 'unmaskable%'`;
    await migrations.add('20261122000000_unmaskable', index);
    lab = await startTransferLab({ TENANT_MIGRATIONS_DIR: migrations.path }, { ownFirst: true });
  });
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
  });

  const sql = async (slug: string, text: string) => {
    const { database, schema } = await lab.rowOf(slug);
    await lab.first.rows(`SET search_path = "${schema}"; ${text}`, [], database);
  };
  const places = async (): Promise<readonly Places[]> => Promise.all([findPlaces(lab.first), findPlaces(lab.second)]);

  it.each(['DATABASE', 'SCHEMA'] as const)(
    'whose masking fails makes no clone of a tenant with a %s, and leaves nothing of it',
    async (isolation) => {
      const slug = `unmaskable-${isolation.toLowerCase()}`;
      await lab.createTenant(slug, isolation);
      await sql(
        slug,
        `INSERT INTO products (sku, name, price, currency, stock)
         SELECT 'unmaskable-' || n, 'name ' || n, 1, 'EUR', 0 FROM generate_series(1, 2) n`,
      );
      const before = await places();
      const id = await lab.clone(`tenant: "${slug}", slug: "copy-of-${slug}"`);
      expect(await lab.ended(id)).toMatchObject({
        status: 'FAILED',
        error: expect.stringContaining('products_unmaskable_key'),
      });
      await eventually('nothing is left', async () => JSON.stringify(await places()) === JSON.stringify(before));
      expect(await lab.ask(`{ tenant(slug: "copy-of-${slug}") { id } }`)).toEqual({ tenant: null });
      expect(await lab.skusOf(slug)).toEqual(['unmaskable-1', 'unmaskable-2']);
      // Without masking, the same clone is made.
      const unmasked = await lab.clone(`tenant: "${slug}", slug: "copy-of-${slug}", neutralize: false`);
      expect(await lab.ended(unmasked)).toMatchObject({ status: 'SUCCEEDED' });
    },
  );

  it.each([
    ['DATABASE', 'SCHEMA'],
    ['SCHEMA', 'DATABASE'],
  ] as const)(
    'that moves a drifted tenant from a %s to a %s fails, and the tenant is served where it was',
    async (from, to) => {
      const slug = `drifted-${from.toLowerCase()}`;
      await lab.createTenant(slug, from);
      await lab.addProducts(slug, 'one');
      await sql(slug, 'ALTER TABLE products ADD COLUMN by_hand int');
      const before = { placement: await lab.placementOf(slug), places: await places() };
      const id = await lab.move(slug, `server: "b", isolation: ${to}`);
      expect(await lab.ended(id)).toMatchObject({
        status: 'FAILED',
        error: expect.stringMatching(/differ from what its migrations make.*by_hand/),
      });
      expect(await lab.placementOf(slug)).toEqual(before.placement);
      await lab.addProducts(slug, 'two');
      expect(await lab.skusOf(slug)).toEqual(['one', 'two']);
      await eventually(
        'the new place is gone',
        async () => JSON.stringify(await places()) === JSON.stringify(before.places),
      );
      // Once the difference is undone, the same transfer succeeds.
      await sql(slug, 'ALTER TABLE products DROP COLUMN by_hand');
      await lab.ask(`mutation { resumeTenantTransfer(id: "${id}") { id } }`);
      expect(await lab.ended(id)).toMatchObject({ status: 'SUCCEEDED' });
      expect(await lab.skusOf(slug)).toEqual(['one', 'two']);
    },
  );

  it('that moves a tenant offline refuses its requests with TENANT_BUSY, and loses no write that was confirmed', async () => {
    await lab.createTenant('busy', 'DATABASE');
    await sql(
      'busy',
      `INSERT INTO products (sku, name, price, currency, stock)
       SELECT 'old-' || n, 'n', 1, 'EUR', 0 FROM generate_series(1, ${ROWS}) n`,
    );
    const token = await lab.app.tokenFor('busy');
    const codes = new Set<unknown>();
    const confirmed: string[] = [];
    let isOver = false;
    const write = async () => {
      for (let n = 0; !isOver; n += 1) {
        const input = `{ sku: "new-${n}", name: "n", price: "1.00", currency: "EUR" }`;
        const { errors } = await lab.app.ask(`mutation { createProduct(input: ${input}) { id } }`, token);
        if (errors) for (const { extensions } of errors) codes.add(extensions.code);
        else confirmed.push(`new-${n}`);
        // Refusals that need no connection would otherwise leave nothing else its turn.
        await setImmediate();
      }
    };
    const writing = write();
    try {
      await eventually('they are accepted', async () => confirmed.length > 3);
      const transfer = await lab.move('busy', 'server: "b", isolation: SCHEMA, keepHours: 0');
      expect(await lab.ended(transfer)).toMatchObject({ status: 'SUCCEEDED' });
      const atSwitch = confirmed.length;
      await eventually('they are accepted again', async () => confirmed.length > atSwitch);
    } finally {
      isOver = true;
      await writing;
    }
    expect([...codes]).toEqual(['TENANT_BUSY']);
    const { products } = await lab.ask('{ products { totalCount } }', token);
    expect(products).toEqual({ totalCount: ROWS + confirmed.length });
  });

  it('that is cancelled while the server of its tenant is down says that it is given up, and ends when the server is back', async () => {
    await lab.createTenant('far', 'SCHEMA', 'b');
    await lab.addProducts('far', 'one');
    const before = await lab.placementOf('far');
    const { database, schema } = await lab.rowOf('far');
    const holder = await lab.second.connect(database);
    await holder.query(`BEGIN; LOCK TABLE "${schema}".products`);
    const id = await lab.move('far', 'server: "default"');
    const events = () =>
      lab.app.services.catalog.use(async (client) => {
        const sql = 'SELECT message FROM tenant_transfer_events WHERE transfer_id = $1 ORDER BY seq';
        const { rows } = await client.query<{ message: string }>(sql, [id]);
        return rows.map(({ message }) => message);
      });
    const said = (text: string) => eventually(text, async () => (await events()).some((event) => event.includes(text)));
    await said('a process works on it');
    await lab.second.stop();
    await said('attempt 2 begins in');
    await lab.ask(`mutation { cancelTenantTransfer(id: "${id}") { id } }`);
    await said('does not answer. Try again in a moment; it is given up, and the next try to end it begins in');
    await lab.second.restart();
    expect(await lab.ended(id)).toMatchObject({ status: 'CANCELLED' });
    expect(await lab.placementOf('far')).toEqual(before);
    expect(await lab.asSoonAsItAnswers(() => lab.skusOf('far'))).toEqual(['one']);
  });
});
