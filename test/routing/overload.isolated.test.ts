import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { settling } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

/** How long writing one row takes. */
const WRITE_MS = 20;
/** Mutations come in waves: those of the first would otherwise have waited in vain before any is answered. */
const WAVES = 5;
const WAVE_MS = 200;
const AT_ONCE = 80;
/** Far too short for all of them, and long enough for the statements of one mutation on a busy machine. */
const WAIT_MS = 600;

/** What a mutation has changed; each field asks the tenant's database by itself. */
const Changed = builder.objectRef<{ readonly sku: string }>('Changed').implement({
  fields: (t) => ({
    name: t.string({
      resolve: async ({ sku }, _args, { tenant }) => {
        const [row] = await tenant.em.execute<{ name: string }[]>(`SELECT name FROM products WHERE sku = ?`, [sku]);
        return row?.name ?? '';
      },
    }),
    secret: t.string({ authScopes: { permission: 'products:empty' }, resolve: () => 'seen' }),
  }),
});

const insert = `INSERT INTO products (id, sku, name, price, currency, stock) VALUES (gen_random_uuid(), ?, ?, 1, 'EUR', 0)`;

builder.mutationField('change', (t) =>
  t.field({
    type: Changed,
    authScopes: { tenantMember: true },
    args: { sku: t.arg.string({ required: true }) },
    resolve: async (_root, { sku }, { tenant }) => {
      await tenant.em.execute(insert, [sku, `the name of ${sku}`]);
      // As after a change of roles: the permissions are not known any more.
      await tenant.permissionsChanged();
      return { sku };
    },
  }),
);

/** Told by a test when the mutation may end. */
let proceed = Promise.withResolvers<void>();

builder.mutationField('changeAndWait', (t) =>
  t.field({
    type: Changed,
    authScopes: { tenantMember: true },
    args: { sku: t.arg.string({ required: true }) },
    resolve: async (_root, { sku }, { tenant }) => {
      await tenant.em.execute(insert, [sku, sku]);
      await proceed.promise;
      return { sku };
    },
  }),
);

/** Keeps a connection busy, as a mutation that changes nothing does. */
builder.mutationField('keepBusy', (t) =>
  t.boolean({
    authScopes: { tenantMember: true },
    args: { seconds: t.arg.float({ required: true }) },
    resolve: async (_root, { seconds }, { tenant }) => {
      await tenant.em.execute('SELECT pg_sleep(?)', [seconds]);
      return true;
    },
  }),
);

builder.mutationField('changeAndLose', (t) =>
  t.field({
    type: Changed,
    authScopes: { tenantMember: true },
    resolve: async (_root, _args, { tenant }) => {
      await tenant.em.execute(insert, ['lost', 'its connection']);
      proceed.resolve();
      await ended.promise;
      return { sku: 'lost' };
    },
  }),
);

/** Resolved by a test when it has ended the connection. */
const ended = Promise.withResolvers<void>();

describe.each([1, 2, 3])('with %i connections, far too many mutations at once', (poolSize) => {
  let app: TestApp;
  let tenants: TestTenant[];
  beforeAll(async () => {
    app = await startTestApp({
      TENANT_POOL_SIZE: String(poolSize),
      CONNECTION_WAIT_MS: String(WAIT_MS),
      TENANT_OPERATIONS: '1000',
      CALLER_OPERATIONS: '1000',
    });
    tenants = await createTenants(app, ['DATABASE', 'SCHEMA']);
    for (const { row } of tenants) {
      await server().owner(row.database, (client) =>
        client.query(`
          SET search_path = "${row.schema}";
          CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(${WRITE_MS / 1000}); RETURN NULL; END';
          CREATE TRIGGER slow AFTER INSERT ON products FOR EACH ROW EXECUTE FUNCTION wait()`),
      );
    }
  });
  afterAll(() => app[Symbol.asyncDispose]());

  const server = () => app.services.servers.get('default') ?? expect.unreachable();

  async function overload({ slug, row }: TestTenant, mutation: (sku: string) => string): Promise<void> {
    const token = await app.services.tokens.issue({ tenant: slug, role: 'ADMIN', expiresIn: '1h' });
    const admin = { authorization: `Bearer ${token}` };
    const skus = Array.from({ length: WAVES * AT_ONCE }, (_, n) => `${poolSize}-${n}`);
    const answers = await Promise.all(
      skus.map(async (sku, n) => {
        await sleep(Math.floor(n / AT_ONCE) * WAVE_MS);
        return { sku, answer: await app.ask(`mutation { changed: ${mutation(sku)} }`, admin) };
      }),
    );
    const refused = answers.filter(({ answer }) => answer.errors);
    const codes = new Set(refused.map(({ answer }) => answer.errors?.[0]?.extensions.code));
    expect([...codes]).toEqual(['SERVER_BUSY']);
    const answered = answers.filter((one) => !refused.includes(one));
    expect(answered.length).toBeGreaterThan(0);
    for (const { sku, answer } of answered) {
      expect(answer.data?.changed).toMatchObject({ name: `the name of ${sku}` });
    }
    const stored = await server().owner(row.database, (client) =>
      client.query<{ sku: string }>(`DELETE FROM "${row.schema}".products RETURNING sku`),
    );
    expect(stored.rows.map(({ sku }) => sku).sort()).toEqual(answered.map(({ sku }) => sku).sort());
    expect(server().stats.waiting).toBe(0);
  }

  it.each([0, 1])('are made and answered, or refused and not made (tenant %i)', async (index) => {
    const create = (sku: string) =>
      `createProduct(input: { sku: "${sku}", name: "the name of ${sku}", price: "1", currency: "EUR" }) { sku name }`;
    await overload(tenants[index] ?? expect.unreachable(), create);
  });

  it.each([0, 1])('also if fields of the answer are read at the same time (tenant %i)', async (index) => {
    await overload(
      tenants[index] ?? expect.unreachable(),
      (sku) => `change(sku: "${sku}") { name again: name secret more: name }`,
    );
  });
});

describe('the connection that a mutation keeps after a change', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  let tenant: TestTenant;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    app = await startTestApp({ ...postgres.env, TENANT_POOL_SIZE: '1', CONNECTION_WAIT_MS: '5000' });
    [tenant = expect.unreachable()] = await createTenants(app, ['DATABASE']);
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });
  const isSeen = async (sku: string) => {
    const { data } = await app.ask(`{ products(filter: { sku: { eq: "${sku}" } }) { nodes { sku } } }`, tenant.member);
    return JSON.stringify(data?.products) === `{"nodes":[{"sku":"${sku}"}]}`;
  };

  it('is given to others if the mutation waits for something else', async () => {
    proceed = Promise.withResolvers();
    const waiting = app.ask('mutation { changeAndWait(sku: "waits") { name } }', tenant.member);
    // The pool has no other connection.
    await eventually('others see its change', () => isSeen('waits'));
    proceed.resolve();
    expect(await waiting).toEqual({ data: { changeAndWait: { name: 'waits' } } });
  });

  it('is waited for longer than others wait, if it was given away', async () => {
    proceed = Promise.withResolvers();
    const waiting = app.ask('mutation { changeAndWait(sku: "patient") { name again: name } }', tenant.member);
    await eventually('others see its change', () => isSeen('patient'));
    const busy = app.ask('mutation { keepBusy(seconds: 6) }', tenant.member);
    const isBusy = async () =>
      (
        await postgres.rows(`SELECT FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%pg_sleep%'`, [
          tenant.row.database,
        ])
      ).length > 0;
    await eventually('another mutation has the connection', isBusy);
    proceed.resolve();
    expect(await waiting).toEqual({ data: { changeAndWait: { name: 'patient', again: 'patient' } } });
    expect(await busy).toEqual({ data: { keepBusy: true } });
  });

  it('is replaced if it is lost', async () => {
    proceed = Promise.withResolvers();
    const losing = app.ask('mutation { changeAndLose { name } }', tenant.member);
    await Promise.race([proceed.promise, losing]);
    await postgres.rows('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [
      tenant.row.database,
    ]);
    ended.resolve();
    expect(await losing).toEqual({ data: { changeAndLose: { name: 'its connection' } } });
  });

  it('is released with the answer', async () => {
    const both = 'mutation { a: change(sku: "a") { name } b: change(sku: "b") { name } }';
    expect((await app.ask(both, tenant.member)).errors).toBeUndefined();
    const server = app.services.servers.get('default') ?? expect.unreachable();
    await vi.waitFor(() => expect(server.stats.open - server.stats.idle).toBe(1), settling);
  });
});
