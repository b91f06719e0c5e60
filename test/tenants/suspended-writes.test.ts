import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

/** How often the tenant is suspended and activated. */
const ROUNDS = 15;
const WRITERS = 4;
/** What an error says when nothing was stored. */
const nothingDone = ['TENANT_SUSPENDED', 'TENANT_BUSY', 'TENANT_NOT_FOUND', 'SERVER_BUSY'];

describe('what is being written to a tenant that is suspended', () => {
  let postgres: TestPostgres;
  let apps: TestApp[];
  let tenants: TestTenant[];
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const env = { ...postgres.env, JWT_SECRET: 'the secret of the tests of suspended writes' };
    apps = [await startTestApp(env), await startTestApp(env)];
    tenants = await createTenants(first(), ['DATABASE', 'SCHEMA', 'DATABASE', 'DATABASE']);
  });
  afterAll(async () => {
    for (const app of apps) await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const first = () => apps[0] ?? expect.unreachable();
  const tenantAt = (index: number) => tenants[index] ?? expect.unreachable();
  const ask = async (query: string) =>
    expect((await first().ask(`mutation { ${query} }`, first().admin)).errors).toBeUndefined();
  const sql = <Row extends object>({ row }: TestTenant, text: string) =>
    postgres.rows<Row>(`SET search_path = "${row.schema}"; ${text}`, undefined, row.database);
  const skusOf = async ({ row }: TestTenant) => {
    const rows = await postgres.rows<{ sku: string }>(`SELECT sku FROM "${row.schema}".products`, [], row.database);
    return new Set(rows.map(({ sku }) => sku));
  };
  const create = async (app: TestApp | undefined, sku: string, { member }: TestTenant) => {
    const input = `{ sku: "${sku}", name: "n", price: "1.00", currency: "EUR" }`;
    const answer = await app?.ask(`mutation { createProduct(input: ${input}) { id } }`, member);
    return answer?.errors?.[0]?.extensions.code;
  };

  /** Writes numbered products through both processes until told to stop; the code of each, if it was refused. */
  function startWriting(tenant: TestTenant) {
    const outcomes = new Map<string, string | undefined>();
    let isOver = false;
    const write = async (writer: number) => {
      for (let n = 0; !isOver; n += 1) {
        const sku = `w-${writer}-${n}`;
        outcomes.set(sku, await create(apps[(writer + n) % apps.length], sku, tenant));
        // Refusals that need no connection would otherwise leave nothing else its turn.
        await setImmediate();
      }
    };
    const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
    return {
      confirmed: () => [...outcomes].filter(([, code]) => code === undefined).map(([sku]) => sku),
      async stop() {
        isOver = true;
        await writing;
        return outcomes;
      },
    };
  }

  async function expectTrue(tenant: TestTenant, outcomes: ReadonlyMap<string, string | undefined>): Promise<void> {
    const there = await skusOf(tenant);
    const wrong = [...outcomes].filter(([sku, code]) => {
      if (code === undefined) return !there.has(sku);
      return code === 'OUTCOME_UNKNOWN' ? false : there.has(sku) || !nothingDone.includes(code);
    });
    expect(wrong).toEqual([]);
  }

  it.each([0, 1])('is there if it was confirmed, and is not if it was refused (tenant %i)', async (index) => {
    const tenant = tenantAt(index);
    const writing = startWriting(tenant);
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = writing.confirmed().length;
      await eventually('it is written to', async () => writing.confirmed().length > before + 3);
      await ask(`suspendTenant(id: "${tenant.slug}") { id }`);
      await ask(`activateTenant(id: "${tenant.slug}") { id }`);
    }
    const outcomes = await writing.stop();
    await expectTrue(tenant, outcomes);
  });

  it.each(['', ', purge: true'])('also when it is deleted%s', async (how) => {
    const tenant = tenantAt(2);
    const writing = startWriting(tenant);
    await eventually('it is written to', async () => writing.confirmed().length > 10);
    const before = writing.confirmed();
    await ask(`deleteTenant(id: "${tenant.slug}", slug: "${tenant.slug}"${how}) { status }`);
    const outcomes = await writing.stop();
    expect(before.length).toBeGreaterThan(10);
    if (how !== '') return;
    await expectTrue(tenant, outcomes);
    await ask(`undeleteTenant(id: "${tenant.slug}") { status }`);
  });

  it('is not known to its client if the commit takes too long, and the error says so', async () => {
    const tenant = tenantAt(3);
    await sql(
      tenant,
      `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
       CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON products INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.sku = 'slow') EXECUTE FUNCTION wait();
       CREATE TRIGGER slower AFTER INSERT ON products FOR EACH ROW WHEN (NEW.sku = 'slower') EXECUTE FUNCTION wait()`,
    );
    const running = (state: string) =>
      eventually('it runs', async () => {
        const rows = await postgres.rows(
          `SELECT FROM pg_stat_activity WHERE usename = $1 AND state = 'active' AND query ILIKE $2`,
          [`tenant_${tenant.row.key}`, state],
        );
        return rows.length > 0;
      });
    const suspend = async () => {
      await ask(`suspendTenant(id: "${tenant.slug}") { id }`);
      await ask(`activateTenant(id: "${tenant.slug}") { id }`);
      // The process may still have the status in its cache, until PostgreSQL's notification of the change arrives.
      await eventually('it is served again', async () => {
        const { errors } = await first().ask('{ products { totalCount } }', tenant.member);
        return errors === undefined;
      });
    };
    const committing = create(first(), 'slow', tenant);
    await running('commit%');
    await suspend();
    expect(await committing).toBe('OUTCOME_UNKNOWN');
    // It was never committed, so PostgreSQL has rolled it back for certain.
    const inserting = create(first(), 'slower', tenant);
    await running('insert%');
    await suspend();
    expect(nothingDone).toContain(await inserting);
    expect(await skusOf(tenant)).toEqual(new Set());
  });
});
