import { describe, expect, it } from 'vitest';
import { backendsOf, expectBackends } from '../../support/backends.ts';
import { pidOf, useBudget } from '../../support/use-budget.ts';

const used = useBudget();
const { start, pool } = used;

describe('the end of a pool', () => {
  it('closes its connections, those in use when they come back', async () => {
    start({ max: 5 });
    const [mine, other] = [pool({ max: 4 }), pool()];
    const [held, ...rest] = await Promise.all([mine.connect(), mine.connect(), mine.connect(), mine.connect()]);
    const [pid, kept] = [await pidOf(held), await other.use(pidOf)];
    for (const client of rest) client.release();
    await mine.end();
    expect((await backendsOf(used.postgres)).toSorted()).toEqual([kept, pid].toSorted());
    await expect(mine.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' });
    held.release();
    await expectBackends(used.postgres, [kept]);
    expect(await other.use(pidOf)).toBe(kept);
  });

  it('refuses those who wait for one of its connections, and nobody else', async () => {
    start({ max: 1 });
    const [mine, other] = [pool(), pool()];
    const held = await other.connect();
    const [refused, served] = [expect(mine.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' }), other.connect()];
    await mine.end();
    await refused;
    expect(used.budget.stats.waiting).toBe(1);
    held.release();
    expect(await served).toBe(held);
  });

  it('leaves nothing of a connection that is being opened', async () => {
    start();
    const mine = pool();
    const opening = expect(mine.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' });
    await mine.end();
    await opening;
    expect(await backendsOf(used.postgres)).toEqual([]);
  });
});

describe('the end of a budget', () => {
  it('closes what is idle, in use, busy or being opened, and refuses those who wait', async () => {
    start({ max: 4 });
    const [idle, inUse, busy] = [pool(), pool(), pool()];
    await idle.use(pidOf);
    await inUse.connect();
    const sleeping = (await busy.connect()).query('SELECT pg_sleep(600)');
    const results = Promise.allSettled([sleeping, pool().connect(), pool().connect(), pool().connect()]);
    await used.budget.close();
    expect(await backendsOf(used.postgres)).toEqual([]);
    const refused = { status: 'rejected', reason: { code: 'SERVER_BUSY' } };
    expect(await results).toMatchObject([{ status: 'rejected' }, refused, refused, refused]);
    await expect(idle.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' });
  });
});
