import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

describe('a clone', () => {
  let lab: TransferLab;
  beforeAll(async () => {
    lab = await startTransferLab();
    for (const isolation of ['DATABASE', 'SCHEMA'] as const) {
      const slug = isolation.toLowerCase();
      await lab.createTenant(slug, isolation);
      await lab.addProducts(slug, 'one', 'two');
    }
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const clone = async (input: string) => {
    const data = await lab.ask(`mutation { cloneTenant(input: { ${input} }) { id } }`);
    return (data.cloneTenant as { id: string }).id;
  };
  const namesOf = async (slug: string) => {
    const data = await lab.ask('{ products { nodes { name } } }', await lab.app.tokenFor(slug));
    return (data.products as { nodes: { name: string }[] }).nodes.map(({ name }) => name);
  };

  it.each([
    ['database', 'DATABASE', 'default'],
    ['database', 'SCHEMA', 'default'],
    ['schema', 'DATABASE', 'default'],
    ['schema', 'SCHEMA', 'default'],
    ['database', 'DATABASE', 'b'],
    ['schema', 'DATABASE', 'b'],
  ] as const)(
    'of the tenant %s to a %s on the server %s is neutralized and says what it is of',
    async (source, isolation, server) => {
      const slug = `${source}-as-${isolation.toLowerCase()}-${server}`;
      const id = await clone(`tenant: "${source}", slug: "${slug}", isolation: ${isolation}, server: "${server}"`);
      expect(await lab.ended(id)).toMatchObject({
        kind: 'CLONE',
        status: 'SUCCEEDED',
        tenant: { slug, status: 'ACTIVE', isolation },
        to: { server },
      });
      expect(await lab.skusOf(slug)).toEqual(['one', 'two']);
      expect(await namesOf(slug)).toEqual(['masked', 'masked']);
      expect(await namesOf(source)).toEqual(['n', 'n']);
      await lab.addProducts(slug, 'three');
      expect([await lab.skusOf(slug), await lab.skusOf(source)]).toEqual([
        ['one', 'three', 'two'],
        ['one', 'two'],
      ]);
      const shown = await lab.ask(
        '{ viewer { tenant { slug clonedFrom { slug checkpoint } } } }',
        await lab.app.tokenFor(slug),
      );
      expect(shown).toEqual({ viewer: { tenant: { slug, clonedFrom: { slug: source, checkpoint: null } } } });
      const { tenant } = await lab.ask(
        `{ tenant(slug: "${slug}") { version behind } original: tenant(slug: "${source}") { version behind } }`,
      );
      expect(tenant).toMatchObject({ behind: 0, version: expect.any(String) });
      expect(await lab.findings()).toEqual([]);
    },
  );

  it('of a checkpoint has what the tenant had then, also in another isolation on another server', async () => {
    await lab.createTenant('past', 'DATABASE');
    await lab.addProducts('past', 'old');
    const made = await lab.ask('mutation { createCheckpoint(tenant: "past", name: "before") { id } }');
    const checkpoint = (made.createCheckpoint as { id: string }).id;
    await lab.addProducts('past', 'new');
    const ids = [
      await clone(`checkpoint: "${checkpoint}", slug: "past-here", neutralize: false`),
      await clone(`checkpoint: "${checkpoint}", slug: "past-there", isolation: SCHEMA, server: "b"`),
    ];
    for (const id of ids) expect(await lab.ended(id)).toMatchObject({ status: 'SUCCEEDED' });
    expect([await lab.skusOf('past-here'), await lab.skusOf('past-there')]).toEqual([['old'], ['old']]);
    expect([await namesOf('past-here'), await namesOf('past-there')]).toEqual([['n'], ['masked']]);
    expect(await lab.ask('{ tenant(slug: "past-here") { clonedFrom { slug checkpoint } } }')).toEqual({
      tenant: { clonedFrom: { slug: 'past', checkpoint: 'before' } },
    });
    expect(await lab.skusOf('past')).toEqual(['new', 'old']);
    // Only the owner may look into the copy, and only while a clone is made of it.
    const { rows } = await lab.app.services.catalog.use((client) =>
      client.query(
        'SELECT datallowconn AS open FROM checkpoints c JOIN pg_database d ON d.datname = c.database WHERE c.id = $1',
        [checkpoint],
      ),
    );
    expect(rows).toEqual([{ open: false }]);
    expect(await lab.findings()).toEqual([]);
  });

  it('needs no maintenance of its source if nobody is connected to that', async () => {
    await lab.createTenant('quiet', 'DATABASE');
    await lab.addProducts('quiet', 'one');
    const wasMaintained = async () => {
      const { rows } = await lab.app.services.catalog.use((client) =>
        client.query<{ was: boolean }>(`SELECT maintained_at IS NOT NULL AS was FROM tenants WHERE slug = 'quiet'`),
      );
      return rows[0]?.was;
    };
    const copy = async (slug: string) => {
      const id = await clone(`tenant: "quiet", slug: "${slug}", neutralize: false`);
      expect(await lab.ended(id)).toMatchObject({ status: 'SUCCEEDED', pausedMs: expect.any(Number) });
      const { tenant } = await lab.ask(`{ tenant(slug: "${slug}") { status behind } }`);
      expect(tenant).toEqual({ status: 'ACTIVE', behind: 0 });
      expect(await lab.skusOf(slug)).toEqual(['one']);
    };
    await lab.app.services.tenants.close(await lab.rowOf('quiet'));
    await copy('quiet-1');
    expect(await wasMaintained()).toBe(false);
    await lab.skusOf('quiet');
    await copy('quiet-2');
    expect(await wasMaintained()).toBe(true);
    expect(await lab.findings()).toEqual([]);
  });

  it('lets requests of its source wait for the moment in which it is copied', async () => {
    await lab.createTenant('busy', 'DATABASE');
    const token = await lab.app.tokenFor('busy');
    const failed: unknown[] = [];
    let count = 0;
    let isDone = false;
    const write = async (writer: number) => {
      while (!isDone) {
        count += 1;
        const input = `{ sku: "${writer}-${count}", name: "n", price: "1.00", currency: "EUR" }`;
        const { errors } = await lab.app.ask(`mutation { createProduct(input: ${input}) { id } }`, token);
        // A statement that has just begun may be refused, which is said.
        for (const { extensions } of errors ?? []) if (extensions.code !== 'TENANT_BUSY') failed.push(extensions.code);
      }
    };
    const writers = [write(1), write(2)];
    await eventually('they write', async () => count > 10);
    for (const slug of ['busy-1', 'busy-2', 'busy-3']) {
      expect(await lab.ended(await clone(`tenant: "busy", slug: "${slug}"`))).toMatchObject({ status: 'SUCCEEDED' });
    }
    isDone = true;
    await Promise.all(writers);
    expect(failed).toEqual([]);
    expect((await lab.skusOf('busy-3')).length).toBeGreaterThan(0);
  });

  it('whose slug is taken, whose source is unknown or which names nothing is refused', async () => {
    const failure = (input: string) => lab.failure(`mutation { cloneTenant(input: { ${input} }) { id } }`);
    expect(await failure('tenant: "database", slug: "schema"')).toMatchObject({ code: 'SLUG_TAKEN' });
    expect(await failure('tenant: "nobody", slug: "other"')).toMatchObject({ code: 'TENANT_NOT_FOUND' });
    expect(await failure('slug: "other"')).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await failure('tenant: "database", slug: "other", server: "c"')).toMatchObject({ code: 'NOT_FOUND' });
    expect(await failure('checkpoint: "x", slug: "other"')).toMatchObject({ code: 'NOT_FOUND' });
    expect(await lab.ask('{ tenant(slug: "other") { id } }')).toEqual({ tenant: null });
  });
});
