import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Fleet, kindsOf } from '../support/fleet.ts';

const fields = 'id name kind version sizeBytes tenant { slug }';

interface ShownCheckpoint {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly version: string | null;
  readonly sizeBytes: number | null;
  readonly tenant: { readonly slug: string };
}

describe('checkpoints', () => {
  let fleet: Fleet;
  let rounds = 0;

  beforeAll(async () => {
    fleet = await Fleet.start({ CHECKPOINT_KEEP: '2', CHECKPOINT_MAX_AGE_DAYS: '10' });
    await fleet.createTenants({ acme: 'DATABASE', batch: 'DATABASE', wanted: 'DATABASE', shared: 'SCHEMA' });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const create = async (slug: string, name: string) =>
    (
      await fleet.ask<{ createCheckpoint: ShownCheckpoint }>(
        `mutation { createCheckpoint(tenant: "${slug}", name: "${name}") { ${fields} } }`,
      )
    ).createCheckpoint;
  const list = async (slug: string) =>
    (await fleet.ask<{ checkpoints: ShownCheckpoint[] }>(`{ checkpoints(tenant: "${slug}") { ${fields} } }`))
      .checkpoints;
  const snapshots = async () =>
    (await fleet.inCatalog<{ name: string }>(`SELECT datname AS name FROM pg_database WHERE datname LIKE 'snap%'`)).map(
      ({ name }) => name,
    );
  const insert = (slug: string, sku: string) =>
    fleet.inTenant(
      slug,
      `INSERT INTO products (sku, name, price, currency, stock) VALUES ('${sku}', 'n', 1, 'EUR', 1)`,
    );
  const skus = async (slug: string) =>
    (await fleet.inTenant<{ sku: string }>(slug, 'SELECT sku FROM products ORDER BY sku')).map(({ sku }) => sku);
  const statusOf = async (slug: string) =>
    (await fleet.inCatalog<{ status: string }>('SELECT status FROM tenants WHERE slug = $1', [slug]))[0]?.status;
  /** Writes products through the API as long as `work` takes; gives what was accepted, and each code of an error. */
  const whileAsked = async (slug: string, work: () => Promise<unknown>) => {
    const token = await fleet.app.tokenFor(slug);
    rounds += 1;
    const round = rounds;
    const accepted: string[] = [];
    const codes = new Set<string | undefined>();
    let isOver = false;
    const ask = async (client: number) => {
      for (let n = 0; !isOver; n += 1) {
        const sku = `w${round}-${client}-${String(n).padStart(5, '0')}`;
        const { errors } = await fleet.http.ask(
          `mutation { createProduct(input: { sku: "${sku}", name: "n", price: "1", currency: "EUR" }) { id } }`,
          token,
        );
        if (errors) for (const { extensions } of errors) codes.add(extensions.code);
        else accepted.push(sku);
      }
    };
    const asking = Promise.all([1, 2, 3].map(ask));
    await eventually('requests are answered', async () => accepted.length > 5);
    try {
      await work();
      const enough = accepted.length + 3;
      await eventually('requests are answered again', async () => accepted.length >= enough);
    } finally {
      isOver = true;
      await asking;
    }
    return { accepted: accepted.sort(), codes: [...codes] };
  };

  it('are made and restored while requests come, which see success or TENANT_BUSY and nothing else', async () => {
    await insert('acme', 'before');
    const checkpoint = await create('acme', 'good');
    expect(checkpoint).toMatchObject({
      name: 'good',
      kind: 'SNAPSHOT',
      version: '20261121000000_fixture',
      tenant: { slug: 'acme' },
    });
    expect(checkpoint.sizeBytes).toBeGreaterThan(1_000_000);
    const made = await whileAsked('acme', () => create('acme', 'busy'));
    expect(made.codes.filter((code) => code !== 'TENANT_BUSY')).toEqual([]);
    expect((await skus('acme')).filter((sku) => sku.startsWith('w'))).toEqual(made.accepted);

    const refusal = await fleet.refusal(`mutation { restoreCheckpoint(id: "${checkpoint.id}") { id } }`);
    expect(refusal.code).toBe('CONFLICT');
    expect(refusal.message).toMatch(
      /^Restoring good would lose everything that acme has written since \d{4}-.* m?s ago\). To accept/,
    );
    const restore = () =>
      fleet.ask(`mutation { restoreCheckpoint(id: "${checkpoint.id}", acceptDataLoss: true) { status version } }`);
    const restored = await whileAsked('acme', async () => {
      expect(await restore()).toEqual({ restoreCheckpoint: { status: 'ACTIVE', version: '20261121000000_fixture' } });
    });
    expect(restored.codes.filter((code) => code !== 'TENANT_BUSY')).toEqual([]);
    await restore();
    expect(await skus('acme')).toEqual(['before']);
    expect((await list('acme')).map(({ name }) => name)).toEqual(['busy', 'good']);
    expect(await snapshots()).toHaveLength(2);
  });

  it('are entered by nobody but the owner, and the tenant that is restored by its own role only', async () => {
    const [name] = await snapshots();
    const { database } = await fleet.tenant('acme');
    const rows = await fleet.inCatalog<{ name: string; open: boolean; entered: string[] }>(
      `SELECT datname AS name, datallowconn AS open, ARRAY(
         SELECT coalesce(r.rolname::text, 'public') FROM aclexplode(datacl) a LEFT JOIN pg_roles r ON r.oid = grantee
         WHERE privilege_type = 'CONNECT' AND grantee <> datdba) AS entered
       FROM pg_database WHERE datname = ANY ($1) ORDER BY datname`,
      [[name, database]],
    );
    expect(rows).toEqual([
      { name: database, open: true, entered: [`tenant_${database.slice(3)}`] },
      { name, open: false, entered: [] },
    ]);
  });

  it('go when they are deleted, too many, or too old', async () => {
    const [newest, older] = await list('acme');
    expect(await fleet.ask(`mutation { deleteCheckpoint(id: "${older?.id}") }`)).toEqual({ deleteCheckpoint: true });
    expect(await fleet.refusal(`mutation { deleteCheckpoint(id: "${older?.id}") }`)).toMatchObject({
      code: 'NOT_FOUND',
    });
    await fleet.inCatalog(`UPDATE checkpoints SET created_at = now() - interval '11 days' WHERE id = $1`, [newest?.id]);
    for (const name of ['one', 'two', 'three']) await create('acme', name);
    expect((await list('acme')).map(({ name }) => name)).toEqual(['three', 'two']);
    expect(await snapshots()).toHaveLength(2);
  });

  it('are made by platform admins only', async () => {
    const member = await fleet.app.tokenFor('acme');
    for (const query of [
      '{ checkpoints(tenant: "acme") { id } }',
      'mutation { createCheckpoint(tenant: "acme") { id } }',
      'mutation { restoreCheckpoint(id: "x", acceptDataLoss: true) { id } }',
      'mutation { deleteCheckpoint(id: "x") }',
    ]) {
      expect((await fleet.app.ask(query, member)).errors?.[0]?.extensions.code, query).toBe('FORBIDDEN');
      expect((await fleet.app.ask(query)).errors?.[0]?.extensions.code, query).toBe('UNAUTHENTICATED');
    }
  });

  it('put a tenant back whose batch has failed, with all that was written before, while requests come', async () => {
    const kept = await snapshots();
    const names = ['20270101000001_gone', '20270101000002_twin'];
    await fleet.migrations.add(names[0] ?? '', 'DELETE FROM products', 'CREATE TABLE left_over (id int)');
    await fleet.migrations.addClass(
      names[1] ?? '',
      `isTransactional() { return false; } up() { this.addSql('VACUUM'); this.addSql('SELECT pg_sleep(0.3)'); this.addSql('SELECT 1 / 0'); }`,
    );
    const { accepted, codes } = await whileAsked('batch', async () => {
      const run = await fleet.run('tenants: ["batch"]');
      expect(run).toMatchObject({ status: 'FAILED', failed: 1 });
      expect(run.items.nodes[0]?.error).toMatch(/division by zero, in line 2: SELECT 1 \/ 0$/);
    });
    await fleet.migrations.remove(...names);
    expect(codes).toEqual(['TENANT_BUSY']);
    expect(await skus('batch')).toEqual(accepted);
    expect(await fleet.inTenant('batch', `SELECT to_regclass('left_over') AS left_over`)).toEqual([
      { left_over: null },
    ]);
    expect(await fleet.inTenant('batch', `SELECT name, status FROM migration_history WHERE name LIKE '2027%'`)).toEqual(
      [{ name: names[1], status: 'ROLLED_BACK' }],
    );
    expect(await statusOf('batch')).toBe('ACTIVE');
    expect(await snapshots()).toEqual(kept);
  });

  it('can be asked for of any batch, and stay; a batch that cannot be a transaction can be refused', async () => {
    await fleet.migrations.add('20270102000001_plain', 'CREATE TABLE plain (id int)');
    await fleet.migrations.addClass(
      '20270102000002_vacuum',
      `isTransactional() { return false; } up() { this.addSql('VACUUM'); }`,
    );
    const refused = await fleet.run('tenants: ["wanted", "shared"], checkpoint: TRANSACTION');
    expect(refused).toMatchObject({ status: 'FAILED', failed: 2 });
    expect(refused.items.nodes[0]?.error).toMatch(/^CONFLICT: 20270102000002_vacuum is not transactional/);
    const run = await fleet.run('tenants: ["wanted", "shared"], to: "20270102000001_plain", checkpoint: SNAPSHOT');
    expect(run).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    expect(await list('wanted')).toMatchObject([{ name: run.checkpoint, version: '20261121000000_fixture' }]);
    const warnings = (await fleet.events(run.id)).filter(({ kind }) => kind === 'TENANT_WARNING');
    expect(warnings.map(({ tenant, message }) => [tenant?.slug, message])).toEqual([
      ['shared', 'No snapshot was taken, because the tenant has a schema and not its own database'],
    ]);
    const id = (await list('wanted'))[0]?.id;
    const refusal = await fleet.refusal(`mutation { restoreCheckpoint(id: "${id}") { id } }`);
    expect(refusal.message).toMatch(
      /and these migrations: 20270102000001_plain\. To accept that, repeat the command with `--accept-data-loss` or the mutation with acceptDataLoss: true/,
    );
    expect(
      await fleet.ask(`mutation { restoreCheckpoint(id: "${id}", acceptDataLoss: true) { version behind } }`),
    ).toEqual({ restoreCheckpoint: { version: '20261121000000_fixture', behind: 2 } });
    const kept = await snapshots();
    expect(await fleet.run('tenants: ["wanted"]')).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
    expect(await snapshots()).toEqual(kept);
  });

  it('hold up a run that is started meanwhile until they are done, however long that takes', async () => {
    const name = '20270103000001_long';
    await fleet.migrations.addClass(
      name,
      `isTransactional() { return false; } up() { this.addSql('SELECT pg_sleep(2.5)'); }`,
    );
    const one = await fleet.startRun('tenants: ["batch"]');
    await eventually('the tenant is maintained', async () => (await statusOf('batch')) === 'MAINTENANCE');
    const other = await fleet.run();
    expect(await fleet.runNow(one)).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
    expect(other).toMatchObject({ status: 'SUCCEEDED', total: 4, failed: 0 });
    // It has looked several times, which were no tries, and tells of it once.
    const item = other.items.nodes.find(({ tenant }) => tenant.slug === 'batch');
    expect(item).toMatchObject({ status: 'SKIPPED', attempts: 1 });
    expect(kindsOf(await fleet.events(other.id), 'batch')).toEqual([
      'TENANT_STARTED',
      'TENANT_RETRYING',
      'TENANT_SKIPPED',
    ]);
  });
});
