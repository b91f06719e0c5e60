import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FaultLab } from '../support/fault-lab.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';

/** `npm run test:backfill` takes a million rows for each tenant, and more kills. */
const isLarge = process.env.BACKFILL_ROWS !== undefined;
const rows = Number(process.env.BACKFILL_ROWS ?? 8_000);
const kills = isLarge ? 5 : 2;

it.each(seeds(1))(
  'a backfill changes each row once, although its workers are killed: seed %i',
  async (seed) => {
    await using lab = await FaultLab.start({ schemas: 2, databases: 1 }, { BACKFILL_BATCH_MS: isLarge ? '250' : '50' });
    const { fleet, slugs } = lab;
    await fleet.migrations.add(
      '20270103000000_items',
      'CREATE TABLE items (id bigint PRIMARY KEY, changes int NOT NULL DEFAULT 0)',
    );
    await lab.keepWorkers(1);
    expect(await fleet.run()).toMatchObject({ succeeded: 3 });
    for (const slug of slugs) await fleet.inTenant(slug, `INSERT INTO items SELECT generate_series(1, ${rows})`);
    const name = '20270103000001_backfill';
    // A slow statement, unless there are many rows, so that the kills come in the middle.
    const slow = isLarge ? '' : ' + (pg_sleep(0.0005) IS NULL)::int';
    await fleet.migrations.addBackfill(name, 'items', `UPDATE items SET changes = changes + 1${slow} WHERE KEYS`);
    const random = seededRandom(seed);
    const run = await fleet.startRun();
    const states: number[] = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      const [worker] = await lab.keepWorkers(1);
      const before = await done(lab);
      while ((await done(lab)) === before) await sleep(50);
      await sleep(random.int(0, 1000));
      await worker?.end('SIGKILL');
      states.push(await done(lab));
    }
    await lab.keepWorkers(2);
    await fleet.events(run);
    // Each worker went on where the one before was killed, and the last one too.
    expect(states).toEqual(states.toSorted((a, b) => a - b));
    expect(states.at(-1)).toBeLessThan(3 * rows);
    expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    for (const slug of slugs) {
      const found = await fleet.inTenant(slug, 'SELECT changes, count(*)::int AS rows FROM items GROUP BY changes');
      expect(found, slug).toEqual([{ changes: 1, rows }]);
      expect(await fleet.applied(slug)).toContain(name);
    }
  },
  900_000,
);

/** How many rows of all tenants are changed. */
async function done({ fleet, slugs }: FaultLab): Promise<number> {
  let sum = 0;
  for (const slug of slugs) {
    const [row] = await fleet.inTenant<{ count: number }>(slug, 'SELECT count(*)::int FROM items WHERE changes > 0');
    sum += row?.count ?? 0;
  }
  return sum;
}
