import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { productList, productsAre } from '../support/pooled-installation.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { hasPgBouncer, startPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';
import { startTestPostgres } from '../support/start-postgres.ts';
import { createTenants } from '../support/tenants.ts';

/** Of 20 connections, 3 are reserved, 2 are left alone, and 5 are for other programs, such as this test and the pooler itself. */
const DIVIDED = 20 - 3 - 2 - 5;
/** More than can have a session at once. */
const TENANTS = 16;
/** Of each client. */
const REQUESTS = 6;
/** What PostgreSQL has is read every 30 seconds. */
const patience = { timeout: 45_000, interval: 50 };

const budgetOf = ({ services }: TestApp) => services.servers.get('default')?.stats.max ?? Number.NaN;
const openOf = ({ services }: TestApp) => services.servers.get('default')?.stats.open ?? Number.NaN;

it.runIf(hasPgBouncer)(
  `processes divide ten connections, those to PgBouncer included, and every request is answered while its idle sessions end${whyNoPgBouncer}`,
  async () => {
    await using postgres = await startTestPostgres({ max_connections: '20' });
    await using pooler = await startPgBouncer(postgres, { settings: { server_idle_timeout: '1' } });
    const env = {
      ...postgres.env,
      // A superuser would get those that are reserved.
      DATABASE_URL: await postgres.createRole('limited', 'its password'),
      DATABASE_POOLER_URL: pooler.url,
      CONNECTION_BUDGET: 'auto',
      // Each waits about a second for the end of idle sessions, and those behind it in the queue wait for all of them.
      CONNECTION_WAIT_MS: '60000',
    };
    await using one = await startTestApp(env);
    const tenants = await createTenants(one, Array(TENANTS).fill('SCHEMA'));
    await using other = await startTestApp(env);
    const apps = [one, other];
    const settles = () => vi.waitFor(() => expect(apps.map(budgetOf)).toEqual([DIVIDED / 2, DIVIDED / 2]), patience);
    await settles();

    const most = { budgets: 0, connections: 0, sessions: 0 };
    let isObserved = true;
    const observe = async () => {
      for (; isObserved; await sleep(5)) {
        const sum = (of: (app: TestApp) => number) => apps.map(of).reduce((all, each) => all + each, 0);
        const sql = 'SELECT FROM pg_stat_activity WHERE usename IS NOT NULL AND datname IS NOT NULL';
        const sessions = await postgres.rows(sql);
        most.budgets = Math.max(most.budgets, sum(budgetOf));
        most.connections = Math.max(most.connections, sum(openOf));
        most.sessions = Math.max(most.sessions, sessions.length);
      }
    };
    const observed = observe();
    const answers: unknown[] = [];
    const ask = async (app: TestApp, first: number) => {
      for (let index = 0; index < REQUESTS; index += 1) {
        const { member } = tenants[(first + index) % TENANTS] ?? expect.unreachable();
        answers.push(await app.ask(productList, member));
      }
    };
    await Promise.all(apps.flatMap((app) => [0, 4, 8, 12].map((first) => ask(app, first))));
    // One that has more to do gets what the other one has no use for.
    await Promise.all(Array.from({ length: TENANTS }, (_, first) => ask(one, first)));
    isObserved = false;
    await observed;
    expect(answers).toEqual(Array(answers.length).fill(productsAre()));
    expect(most.budgets).toBeLessThanOrEqual(DIVIDED);
    expect(most.connections).toBeLessThanOrEqual(DIVIDED);
    // The pooler's idle sessions come on top, so that PostgreSQL had none left at times.
    expect(most.sessions).toBeGreaterThanOrEqual(17);
    await settles();
  },
);
