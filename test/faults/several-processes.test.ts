import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FaultLab } from '../support/fault-lab.ts';
import { progressQuery, type ShownEvent } from '../support/fleet.ts';
import { auditRun } from '../support/fleet-audit.ts';
import type { HttpClient } from '../support/http-client.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';

describe('several processes over one fleet', () => {
  let lab: FaultLab;

  beforeEach(async () => {
    lab = await FaultLab.fresh(lab, { schemas: 26, databases: 6 });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const all = () => lab.slugs.length;

  it.each(seeds(3))(
    'stop on SIGTERM in the middle: tenants in progress finish, others do the rest at once: seed %i',
    async (seed) => {
      const random = seededRandom(seed);
      const [leaving] = await lab.keepWorkers(2);
      await lab.addRound();
      const run = await lab.fleet.startRun(`concurrency: ${random.int(1, 6)}`);
      await sleep(random.int(0, 300));
      expect(await leaving?.end('SIGTERM'), leaving?.output()).toBe(0);
      const events = await lab.fleet.events(run);
      expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: all() });
      // Given back, not found with a dead process some seconds later.
      expect(events.filter(({ kind }) => kind === 'TENANT_RETRYING')).toEqual([]);
    },
  );

  it.each(seeds(4))('cancel and resume runs that others carry out: seed %i', async (seed) => {
    const random = seededRandom(seed);
    await lab.keepWorkers(2);
    await lab.addRound();
    const run = await lab.fleet.startRun(`concurrency: ${random.int(1, 4)}, waves: ["3", "50%"]`);
    for (let times = random.int(1, 3); times > 0; times -= 1) {
      await sleep(random.int(0, 200));
      const wasCancelled = await lab.fleet.cancel(run);
      await lab.fleet.events(run);
      const { cancelled } = await auditRun(lab, run);
      if (!wasCancelled) expect(cancelled).toBe(0);
      // A run that is cancelled while all its tenants are in progress leaves nothing to resume.
      if (cancelled === 0) break;
      await lab.fleet.ask(`mutation { resumeMigrationRun(id: "${run}") { id } }`);
    }
    await lab.fleet.events(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: all() });
    const refused = await lab.fleet.refusal(`mutation { resumeMigrationRun(id: "${run}") { id } }`);
    expect(refused.code).toBe('CONFLICT');
  });

  describe('are asked for the same by two deployers at once', () => {
    let servers: readonly (HttpClient & AsyncDisposable)[] = [];
    let serversOf: FaultLab | undefined;
    beforeEach(async () => {
      if (serversOf === lab) return;
      serversOf = lab;
      servers = await Promise.all([lab.startServer(), lab.startServer()]);
    });
    afterAll(() => Promise.all(servers.map((server) => server[Symbol.asyncDispose]())));

    it.each(seeds(3))('and do it once: seed %i', async () => {
      await lab.keepWorkers(1);
      await lab.addRound();
      const deploy = async (server: HttpClient) => {
        const query = 'mutation { runMigrations(input: { wait: true }) { id } }';
        const { data, errors } = await server.ask<{ runMigrations: { id: string } }>(query, lab.fleet.app.admin);
        if (!data) throw new Error(JSON.stringify(errors));
        return data.runMigrations.id;
      };
      const ids = await Promise.all(servers.map(deploy));
      const runs = await Promise.all(ids.map((id) => auditRun(lab, id)));
      for (const run of runs) expect(run).toMatchObject({ status: 'SUCCEEDED', failed: 0, cancelled: 0 });
      expect(runs.map(({ succeeded }) => succeeded).reduce((a, b) => a + b)).toBe(all());
    });
  });

  it('tell every subscriber each event once and in order, whichever process it asks', async () => {
    await using working = await lab.startServer();
    await using idle = await lab.startServer({ WORKER: 'off' });
    await lab.keepWorkers(0);
    await lab.addRound();
    // Started where nobody works, so that even the first event comes from another process.
    const run = await lab.fleet.startRun('concurrency: 2');
    const watch = async (server: HttpClient, after: number) => {
      const events: ShownEvent[] = [];
      const query = progressQuery(run, after);
      const results = server.subscribe<{ migrationProgress: ShownEvent }>(query, lab.fleet.app.admin);
      for await (const { data } of results) if (data) events.push(data.migrationProgress);
      return events;
    };
    const watching = [working, idle].flatMap((server) => [watch(server, 0), watch(server, 0), watch(server, 5)]);
    await eventually('some tenants are done', async () => (await lab.fleet.runNow(run)).succeeded > 3);
    watching.push(watch(working, 0), watch(idle, 2));
    const [first = [], ...others] = await Promise.all(watching);
    expect(first.map(({ seq }) => seq)).toEqual(first.map((_, index) => index + 1));
    expect(first.at(-1)).toMatchObject({ kind: 'RUN_ENDED', done: all(), total: all() });
    for (const events of others) expect(events).toEqual(first.slice((events[0]?.seq ?? 0) - 1));
    expect(others.map((events) => events[0]?.seq)).toEqual([1, 6, 1, 1, 6, 1, 3]);
    await auditRun(lab, run);
  });

  it('do a batch that builds an index concurrently once, though another run waits for the same tenant', async () => {
    await lab.keepWorkers(2);
    await lab.fleet.migrations.addClass(
      '20280101000000_index',
      `isTransactional() { return false; }
       up() { this.addSql('SELECT pg_sleep(2)'); this.addSql('CREATE INDEX CONCURRENTLY by_stock ON products (stock)'); }`,
    );
    const tenants = JSON.stringify([lab.slugs[0], lab.slugs.find((slug) => slug.endsWith('-db'))]);
    const one = await lab.fleet.startRun(`tenants: ${tenants}`);
    await eventually('both tenants are in progress', async () => {
      const sleeping = await lab.postgres.rows(
        `SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(2)' AND state = 'active' AND datname NOT LIKE '%template%'`,
      );
      return sleeping.length === 2;
    });
    const other = await lab.fleet.startRun(`tenants: ${tenants}`);
    await Promise.all([lab.ended(one), lab.ended(other)]);
    const runs = await Promise.all([one, other].map((run) => auditRun(lab, run)));
    expect(runs).toMatchObject([
      { status: 'SUCCEEDED', succeeded: 2 },
      { status: 'SUCCEEDED', skipped: 2 },
    ]);
    for (const { items } of runs) expect(items.nodes.map(({ attempts }) => attempts)).toEqual([1, 1]);
  });
});
