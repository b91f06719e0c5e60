import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChannel } from '../../../src/fleet/events/events.ts';
import { askAsSuperuser } from '../../support/ask-as-superuser.ts';
import { eventually } from '../../support/eventually.ts';
import { Fleet, progressQuery, type ShownEvent } from '../../support/fleet.ts';

describe('the progress of a run, over HTTP', () => {
  let fleet: Fleet;
  let count = 0;

  beforeAll(async () => {
    fleet = await Fleet.start({ MIGRATION_LOCK_TIMEOUT_MS: '60000' });
    await fleet.createTenants({ 'alpha-db': 'DATABASE', 'beta-schema': 'SCHEMA', 'gamma-db': 'DATABASE' });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  /** A run that waits at its second tenant, until the session ends. */
  const startBlockedRun = async (): Promise<{ run: string; blocker: pg.Client }> => {
    count += 1;
    await fleet.migrations.add(`2027010100000${count}_column`, `ALTER TABLE products ADD COLUMN extra_${count} int`);
    const blocker = await fleet.sessionIn('beta-schema');
    await blocker.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
    return { run: await fleet.startRun('concurrency: 1'), blocker };
  };
  const blockedAt = ({ kind, tenant }: ShownEvent) => kind === 'TENANT_STARTED' && tenant?.slug === 'beta-schema';
  /** Reads on until an event; what has been read is added to the list. */
  const readUntil = async (
    events: AsyncIterator<ShownEvent>,
    seen: ShownEvent[],
    wanted: (event: ShownEvent) => boolean,
  ) => {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      seen.push(next.value);
      if (wanted(next.value)) return;
    }
  };
  const finish = async (events: AsyncGenerator<ShownEvent, string>, seen: ShownEvent[]) => {
    for (;;) {
      const { value, done } = await events.next();
      if (done) return value;
      seen.push(value);
    }
  };
  const followers = () => fleet.app.services.listener.handlerCount(runChannel);

  it('reaches every subscriber whole and in order, whenever it comes', async () => {
    const { run, blocker } = await startBlockedRun();
    const early: ShownEvent[] = [];
    const late: ShownEvent[] = [];
    const partial: ShownEvent[] = [];
    const first = fleet.follow(run);
    await readUntil(first, early, blockedAt);
    const second = fleet.follow(run);
    await readUntil(second, late, blockedAt);
    const third = fleet.follow(run, early.length);
    const ends = Promise.all([finish(first, early), finish(second, late), finish(third, partial)]);
    await fleet.end(blocker);
    expect(await ends).toEqual(['complete', 'complete', 'complete']);
    expect(early.map(({ seq, kind, tenant, done }) => [seq, kind, tenant?.slug, done])).toEqual([
      [1, 'RUN_STARTED', undefined, 0],
      [2, 'TENANT_STARTED', 'alpha-db', 0],
      [3, 'MIGRATION_APPLIED', 'alpha-db', 0],
      [4, 'TENANT_SUCCEEDED', 'alpha-db', 1],
      [5, 'TENANT_STARTED', 'beta-schema', 1],
      [6, 'MIGRATION_APPLIED', 'beta-schema', 1],
      [7, 'TENANT_SUCCEEDED', 'beta-schema', 2],
      [8, 'TENANT_STARTED', 'gamma-db', 2],
      [9, 'MIGRATION_APPLIED', 'gamma-db', 2],
      [10, 'TENANT_SUCCEEDED', 'gamma-db', 3],
      [11, 'RUN_ENDED', undefined, 3],
    ]);
    expect(late).toEqual(early);
    expect(partial).toEqual(early.slice(5));
    const times = early.map(({ at }) => Date.parse(at));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(Math.abs(Date.now() - (times.at(-1) ?? 0))).toBeLessThan(60_000);
    // And long after: the same again, and an end.
    expect(await fleet.events(run)).toEqual(early);
    expect(await fleet.events(run, 9)).toEqual(early.slice(9));
    expect(await fleet.events(run, 11)).toEqual([]);
    expect(await fleet.events(run, 1000)).toEqual([]);
    expect(await fleet.events(run, -5)).toEqual(early);
  });

  it('loses nothing when the connection that listens is killed', async () => {
    const { run, blocker } = await startBlockedRun();
    const seen: ShownEvent[] = [];
    const events = fleet.follow(run);
    await readUntil(events, seen, blockedAt);
    const { listener } = fleet.app.services;
    // The session that shows that this process is alive is the one that listens.
    const ofListener = `locktype = 'advisory' AND objid = ${listener.instance}`;
    await askAsSuperuser(fleet.app, `SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE ${ofListener}`);
    await eventually('the loss is noticed', async () => !listener.connected);
    await fleet.end(blocker);
    expect(await finish(events, seen)).toBe('complete');
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index + 1));
    expect(seen.at(-1)?.kind).toBe('RUN_ENDED');
    expect(seen).toEqual(await fleet.events(run));
    await eventually('it listens again', async () => listener.connected);
  });

  it('is no longer prepared for a client that has gone away, even while nothing happens', async () => {
    expect(followers()).toBe(0);
    const { run, blocker } = await startBlockedRun();
    const gone = new AbortController();
    const events = fleet.follow(run, 0, gone.signal);
    await readUntil(events, [], blockedAt);
    const stays = fleet.follow(run);
    await readUntil(stays, [], blockedAt);
    expect(followers()).toBe(2);
    gone.abort();
    await expect(events.next()).rejects.toThrow(/abort/);
    await eventually('one subscriber is left', async () => followers() === 1);
    await fleet.end(blocker);
    expect(await finish(stays, [])).toBe('complete');
    expect(followers()).toBe(0);
  });

  it.each([
    ['an unknown run', '00000000-0000-4000-8000-000000000000', 'NOT_FOUND'],
    ['something that is no id', 'nonsense', 'BAD_USER_INPUT'],
    ['nothing', '', 'BAD_USER_INPUT'],
  ])('is refused for %s', async (_what, run, code) => {
    const codes = [];
    for await (const { errors } of fleet.http.subscribe(progressQuery(run), fleet.app.admin)) {
      codes.push(errors?.[0]?.extensions.code);
    }
    expect(codes).toEqual([code]);
    expect(followers()).toBe(0);
  });

  it('is for platform admins only', async () => {
    const run = await fleet.startRun('tenants: []');
    const member = await fleet.app.tokenFor('alpha-db');
    const codes = async (headers: Record<string, string>) => {
      const found = [];
      for await (const { errors } of fleet.http.subscribe(progressQuery(run), headers)) {
        found.push(errors?.[0]?.extensions.code);
      }
      return found;
    };
    expect(await codes(member)).toEqual(['FORBIDDEN']);
    expect(await codes({})).toEqual(['UNAUTHENTICATED']);
  });

  it('tells when each thing happened, not when that was written down', async () => {
    await fleet.migrations.add('20270102000000_quick', 'CREATE TABLE quick ()');
    await fleet.migrations.add('20270102000001_slow', 'SELECT pg_sleep(1)');
    // One after the other: the times of a run never go back, so an event of a tenant that ends later may get the time of
    // an earlier tenant's end.
    for (const slug of ['alpha-db', 'beta-schema', 'gamma-db']) {
      const events = await fleet.events(await fleet.startRun(`tenants: ["${slug}"]`));
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
      const times = events.map(({ at }) => Date.parse(at));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      const own = events.filter(({ tenant }) => tenant?.slug === slug);
      const kinds = ['TENANT_STARTED', 'MIGRATION_APPLIED', 'MIGRATION_APPLIED', 'TENANT_SUCCEEDED'];
      expect(own.map(({ kind }) => kind)).toEqual(kinds);
      const [, quick = 0, slow = 0] = own.map(({ at }) => Date.parse(at));
      // Written down at once, they would be milliseconds apart. A busy process hears of the quick one late, but not so late.
      expect(slow - quick).toBeGreaterThan(300);
    }
  });

  it('says how fast the run is, and how long the rest takes at that rate, from the first tenant that is done', async () => {
    await fleet.createTenants({ 'delta-db': 'DATABASE' });
    await fleet.migrations.add('20270103000000_half_a_second', 'SELECT pg_sleep(0.5)');
    // A tenant that is skipped at the start says nothing about how long the others take.
    await fleet.run('tenants: ["alpha-db"]');
    const run = await fleet.startRun('concurrency: 1');
    const query = `subscription { migrationProgress(run: "${run}") { at kind done total rate remainingSeconds } }`;
    type Pace = Pick<ShownEvent, 'at' | 'kind' | 'done' | 'total'> & {
      rate: number | null;
      remainingSeconds: number | null;
    };
    const events: Pace[] = [];
    for await (const { data } of fleet.http.subscribe<{ migrationProgress: Pace }>(query, fleet.app.admin)) {
      if (data) events.push(data.migrationProgress);
    }
    const started = Date.parse(events[0]?.at ?? '');
    for (const { at, done, total, rate, remainingSeconds } of events) {
      if (done <= 1) {
        expect({ rate, remainingSeconds }).toEqual({ rate: null, remainingSeconds: null });
        continue;
      }
      expect(rate).toBeCloseTo((done - 1) / ((Date.parse(at) - started) / 1000), 0);
      expect(rate).toBeLessThan(2);
      expect(remainingSeconds).toBeCloseTo((total - done) / (rate ?? 0), 0);
    }
    expect(events.at(-1)).toMatchObject({ kind: 'RUN_ENDED', done: 4, total: 4, remainingSeconds: 0 });
    expect(events.find(({ done }) => done === 2)?.remainingSeconds).toBeGreaterThan(0.9);
  });

  it('ends when the server begins to stop', async () => {
    const { run, blocker } = await startBlockedRun();
    const events = fleet.follow(run);
    await readUntil(events, [], blockedAt);
    fleet.app.beginStop();
    expect(await finish(events, [])).toBe('complete');
    expect(followers()).toBe(0);
    await fleet.end(blocker);
  });
});
