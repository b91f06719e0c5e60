import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SeveralConnections } from '../../../src/postgres/pool/several-connections.ts';

/** With three connections that only others may use. */
const limitFor = (count: number) => count + 3;

const fixed = (count: number) => new SeveralConnections({ capacity: () => count, limitFor, growMs: 0 });

/** Starts work that goes on until it is told to end, and lists what has begun, with how many connections. */
function workIn(several: SeveralConnections) {
  const begun: string[] = [];
  const tooFew = (limit: number) => new Error(`it takes ${limit}`);
  const start = (name: string, least: number, most: number, signal?: AbortSignal) => {
    const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<string>();
    const work = (granted: number) => {
      begun.push(`${name} ${granted}`);
      return ended;
    };
    return { done: several.use({ least, most, tooFew }, work, signal), end: () => end(name), fail };
  };
  return { begun, start };
}

describe('work that holds several connections', () => {
  it('runs at the same time as far as there are enough, and gets what it can use if that is free', async () => {
    const { begun, start } = workIn(fixed(20));
    for (const name of ['a', 'b', 'c', 'd']) start(name, 6, 12);
    await nextTurn();
    expect(begun).toEqual(['a 12', 'b 6']);
  });

  it('begins in the order of the calls, also where a later one would have enough', async () => {
    const { begun, start } = workIn(fixed(10));
    const first = start('first', 6, 6);
    start('large', 8, 8);
    start('small', 2, 2);
    await nextTurn();
    expect(begun).toEqual(['first 6']);
    first.end();
    expect(await first.done).toBe('first');
    expect(begun).toEqual(['first 6', 'large 8', 'small 2']);
  });

  it('makes room when it fails', async () => {
    const { begun, start } = workIn(fixed(7));
    const first = start('first', 6, 12);
    start('second', 6, 12);
    await nextTurn();
    expect(begun).toEqual(['first 6']);
    first.fail(new Error('it broke'));
    await expect(first.done).rejects.toThrow('it broke');
    expect(begun).toEqual(['first 6', 'second 6']);
  });

  it('is refused where there are never enough, and lets those behind it go on', async () => {
    const { begun, start } = workIn(fixed(5));
    const large = start('large', 6, 6);
    start('small', 2, 2);
    await expect(large.done).rejects.toThrow('it takes 9');
    expect(begun).toEqual(['small 2']);
  });

  it('waits for more where their number may grow, and asks for them', async () => {
    let count = 2;
    const several = new SeveralConnections({ capacity: () => count, limitFor, growMs: 60_000 });
    const { begun, start } = workIn(several);
    expect(several.demand).toBe(0);
    start('first', 6, 12);
    start('second', 6, 12);
    expect(several.demand).toBe(9);
    count = 8;
    several.serve();
    await nextTurn();
    expect(begun).toEqual(['first 6']);
    expect(several.demand).toBe(15);
  });

  it('leaves the queue when its signal says so, and lets those behind it go on', async () => {
    const { begun, start } = workIn(fixed(10));
    start('first', 6, 6);
    const stop = new AbortController();
    const large = start('large', 8, 8, stop.signal);
    start('small', 4, 4);
    stop.abort(new Error('nobody waits any more'));
    await expect(large.done).rejects.toThrow('nobody waits any more');
    await expect(start('late', 1, 1, stop.signal).done).rejects.toThrow('nobody waits any more');
    expect(begun).toEqual(['first 6', 'small 4']);
  });
});
