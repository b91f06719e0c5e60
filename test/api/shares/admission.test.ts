import { describe, expect, it } from 'vitest';
import { Admission, type Owner } from '../../../src/api/shares/admission.ts';

const limits = { operations: 4, costPerSecond: 100, databaseMsPerSecond: 100, subscriptions: 2 };
const admissionWith = (tenant = {}, caller = {}, waitMs = 60_000) =>
  new Admission({
    shares: { tenant: { ...limits, ...tenant }, caller: { ...limits, ...caller }, waitMs },
    graphql: { maxCost: 1000 },
  });

const a1: Owner = { tenant: 'a', caller: '1' };
const a2: Owner = { tenant: 'a', caller: '2' };
const b1: Owner = { tenant: 'b', caller: '1' };
const never = new AbortController().signal;

/** What comes of waiting, if it comes without anything else happening. */
async function settled<T>(value: T | Promise<T>): Promise<T | 'waits'> {
  return Promise.race([value, new Promise<'waits'>((resolve) => setTimeout(() => resolve('waits'), 20))]);
}

describe('the shares of tenants and callers', () => {
  it('let so many operations run at once, and the next when one has ended', async () => {
    const admission = admissionWith({}, { operations: 2 });
    const first = await admission.enter(a1, 1, never);
    await admission.enter(a1, 1, never);
    const third = admission.enter(a1, 1, never);
    expect(await settled(third)).toBe('waits');
    // Neither another caller of the tenant nor another tenant waits for that.
    expect(await settled(admission.enter(a2, 1, never))).not.toBe('waits');
    expect(await settled(admission.enter(b1, 1, never))).not.toBe('waits');
    first.leave();
    expect(await settled(third)).not.toBe('waits');
  });

  it('let the costliest operation run alone, and start it when there is any room', async () => {
    const admission = admissionWith();
    const cheap = await admission.enter(a1, 1, never);
    const costly = await settled(admission.enter(a1, 1000, never));
    if (costly === 'waits') expect.unreachable();
    cheap.leave();
    const next = admission.enter(a1, 1, never);
    expect(await settled(next)).toBe('waits');
    costly.leave();
    expect(await settled(next)).not.toBe('waits');
  });

  it('have the callers of a tenant take turns', async () => {
    const admission = admissionWith({ operations: 1 });
    let running = await admission.enter(a1, 1, never);
    const order: string[] = [];
    const waiting = [a1, a1, a1, a2].map(async (owner) => {
      const admitted = await admission.enter(owner, 1, never);
      order.push(owner.caller);
      running = admitted;
    });
    for (let ended = 0; ended < waiting.length; ended += 1) {
      running.leave();
      await new Promise(setImmediate);
    }
    await Promise.all(waiting);
    expect(order).toEqual(['1', '2', '1', '1']);
  });

  it('bound the cost per second while others are active, and not for who is the only one', async () => {
    const admission = admissionWith({}, { costPerSecond: 1_000_000 });
    for (let index = 0; index < 20; index += 1) (await admission.enter(a1, 900, never)).leave();
    (await admission.enter(b1, 1, never)).leave();
    const beyond = admission.enter(a1, 900, never);
    // What was used alone is not owed: one more may begin as soon as there is anything.
    const admitted = await beyond;
    admitted.leave();
    expect(await settled(admission.enter(a1, 1, never))).toBe('waits');
    expect(await settled(admission.enter(b1, 1, never))).not.toBe('waits');
  });

  it('bound the time for which connections are held', async () => {
    const admission = admissionWith();
    (await admission.enter(b1, 1, never)).leave();
    const slow = await admission.enter(a1, 1, never);
    slow.charge(50);
    slow.leave();
    expect(await settled(admission.enter(a1, 1, never))).not.toBe('waits');
    slow.charge(5_000);
    expect(await settled(admission.enter(a1, 1, never))).toBe('waits');
  });

  it('refuse with RATE_LIMITED operations that have waited too long, and those that find the queue full', async () => {
    const admission = admissionWith({ operations: 1 }, {}, 1);
    await admission.enter(a1, 1, never);
    const refusal = { code: 'RATE_LIMITED', details: { retryAfterMs: 1000, http: { status: 429 } } };
    await expect(admission.enter(a1, 1, never)).rejects.toMatchObject(refusal);
    const patient = admissionWith({ operations: 1 });
    await patient.enter(a1, 1, never);
    // They are refused in a minute, while other files run.
    for (let index = 0; index < 100; index += 1) void settled(patient.enter(a1, 1, never));
    expect(() => patient.enter(a1, 1, never)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    expect(await settled(patient.enter(b1, 1, never))).not.toBe('waits');
  });

  it('keep nobody out of a queue that others have filled', async () => {
    const admission = admissionWith({ operations: 1 });
    await admission.enter(a1, 1, never);
    const refused: string[] = [];
    const wait = (caller: string) =>
      Promise.resolve(admission.enter({ tenant: 'a', caller }, 1, never)).catch(() => refused.push(caller));
    for (const caller of ['f1', 'f2', 'f3', 'f4']) {
      for (let index = 0; index < 100; index += 1) void wait(caller);
    }
    expect(await settled(wait('newcomer'))).toBe('waits');
    expect(refused).toEqual(['f1']);
  });

  it('drop those whose client has gone away from the queue', async () => {
    const admission = admissionWith({ operations: 1 });
    const running = await admission.enter(a1, 1, never);
    const gone = new AbortController();
    const dropped = admission.enter(a1, 1, gone.signal);
    const next = admission.enter(a1, 1, never);
    gone.abort();
    await expect(dropped).rejects.toMatchObject({ code: 'SERVER_BUSY' });
    running.leave();
    expect(await settled(next)).not.toBe('waits');
  });

  it('count subscriptions until they end', () => {
    const admission = admissionWith({ subscriptions: 3 });
    const end = admission.subscribe(a1);
    admission.subscribe(a1);
    const tooMany = expect.objectContaining({ code: 'RATE_LIMITED' });
    expect(() => admission.subscribe(a1)).toThrow(tooMany);
    admission.subscribe(a2);
    expect(() => admission.subscribe(a2)).toThrow(tooMany);
    end();
    admission.subscribe(a2);
    expect(() => admission.subscribe(a2)).toThrow(tooMany);
  });

  it('are remembered of so many callers that strangers cannot fill the memory', () => {
    const admission = admissionWith();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 200_000; index += 1) {
      admission.subscribe({ tenant: 'anonymous', caller: `address ${index}` })();
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
  });
});
