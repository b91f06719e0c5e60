import type { QueryResult } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { settling } from './backends.ts';
import { startTestApp, type TestApp } from './start-app.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer, whyNoPgBouncer } from './start-pgbouncer.ts';
import { startTestPostgres, type TestPostgres } from './start-postgres.ts';
import { createTenants, type TestTenant } from './tenants.ts';

/** Who administers the installations behind a pooler. */
const poolerAdmins = ['a superuser', 'a role that may create databases and roles'] as const;

type PoolerAdmin = (typeof poolerAdmins)[number];

/** An installation behind PgBouncer, with a tenant of each isolation. */
export interface PooledInstallation extends AsyncDisposable {
  readonly postgres: TestPostgres;
  readonly pooler: PgBouncer;
  readonly app: TestApp;
  /** The settings of the installation, for other processes. */
  readonly env: Readonly<Record<string, string>>;
  readonly tenants: readonly TestTenant[];
  /** Sends SQL as the tenant, as a module may. */
  send(tenant: TestTenant, sql: string, signal?: AbortSignal): Promise<QueryResult>;
  /** Ends the sessions that PgBouncer keeps of a tenant, so that its next statement logs in to PostgreSQL. */
  endSessions(tenant: TestTenant): Promise<void>;
}

/**
 * A group of tests in one installation behind PgBouncer, once with each kind of admin. They are skipped where PgBouncer is missing.
 * @param tests gets a function that returns the installation while tests run
 */
export function describePooled(title: string, tests: (place: () => PooledInstallation, admin: PoolerAdmin) => void) {
  describe.runIf(hasPgBouncer).each(poolerAdmins)(`${title}, with %s as the admin${whyNoPgBouncer}`, (admin) => {
    let place: PooledInstallation | undefined;
    beforeAll(async () => {
      place = await startPooledInstallation(admin);
    });
    afterAll(() => place?.[Symbol.asyncDispose]());
    tests(() => place ?? expect.unreachable('it has not started'), admin);
  });
}

/** A test in an installation of its own behind PgBouncer, which is skipped where that is missing. */
export function itPooled(title: string, admin: PoolerAdmin, test: (place: PooledInstallation) => Promise<void>) {
  it.runIf(hasPgBouncer)(`${title}${whyNoPgBouncer}`, async () => {
    await using place = await startPooledInstallation(admin);
    await test(place);
  });
}

/** Starts one on a PostgreSQL whose settings are somebody else's. */
async function startPooledInstallation(admin: PoolerAdmin): Promise<PooledInstallation> {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startTestPostgres({ timezone: 'Asia/Kolkata', datestyle: 'SQL,DMY' }));
  // PgBouncer 1.18 asks for passwords in the tenants' databases, and a limited admin cannot end these sessions for a copy.
  // A statement whose session PostgreSQL refuses waits in it.
  const settings = { server_idle_timeout: '1', query_wait_timeout: '2' };
  const pooler = stack.use(await startPgBouncer(postgres, { settings }));
  const isLimited = admin !== 'a superuser';
  const env = {
    ...postgres.env,
    ...(isLimited && { DATABASE_URL: await postgres.createRole('limited', 'its password') }),
    DATABASE_POOLER_URL: pooler.url,
    TENANT_STATEMENT_TIMEOUT_MS: '6000',
    CONNECTION_WAIT_MS: '3000',
  };
  const app = stack.use(await startTestApp(env));
  const tenants = await createTenants(app, ['DATABASE', 'SCHEMA']);
  const parts = stack.move();
  return {
    postgres,
    pooler,
    app,
    env,
    tenants,
    send: ({ row }, sql, signal) => app.services.tenants.pool(row).use((client) => client.query(sql), signal),
    async endSessions({ row }) {
      await app.services.tenants.close(row);
      await postgres.rows('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1', [
        `tenant_${row.key}`,
      ]);
    },
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
}

/** A list that a tenant is asked for. */
export const productList = '{ products(first: 5) { totalCount nodes { sku } } }';

/** What {@link productList} answers. */
export function productsAre(...skus: readonly string[]): unknown {
  return { data: { products: { totalCount: skus.length, nodes: skus.map((sku) => ({ sku })) } } };
}

/** Waits until a member of a tenant, who asks an app, gets these products. */
export async function expectProducts(app: TestApp, member: TestTenant['member'], ...skus: readonly string[]) {
  await vi.waitFor(async () => expect(await app.ask(productList, member)).toEqual(productsAre(...skus)), settling);
}

/** The settings of a session that differ from those of the server. */
export const sessionSettings = `SELECT current_setting('search_path') AS path, current_setting('TimeZone') AS zone,
  current_setting('DateStyle') AS style, current_setting('jit') AS jit, current_setting('statement_timeout') AS statement,
  current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('application_name') AS name`;

/** What {@link sessionSettings} returns. */
export function settingsIn(schema: string): readonly unknown[] {
  const times = { zone: 'UTC', style: 'ISO, MDY', statement: '6s', idle: '1min' };
  return [{ path: `${schema}, common`, jit: 'off', name: 'tenantry', ...times }];
}
