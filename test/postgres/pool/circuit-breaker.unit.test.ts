import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CircuitBreaker } from '../../../src/postgres/pool/circuit-breaker.ts';

const refused = () => Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
const down = { code: 'SERVER_BUSY', message: expect.stringContaining('The PostgreSQL server b does not answer') };

describe('a server that does not answer', () => {
  let breaker: CircuitBreaker;
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    breaker = new CircuitBreaker('b', pino({ level: 'silent' }));
    await expect(breaker.attempt(refused)).rejects.toMatchObject(down);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is left alone for a moment: callers fail at once', async () => {
    const connect = vi.fn(refused);
    await expect(breaker.attempt(connect)).rejects.toMatchObject(down);
    expect(connect).not.toHaveBeenCalled();
    expect(breaker.isOpen).toBe(true);
  });

  it('is then tried by one caller, while the others still fail at once', async () => {
    vi.setSystemTime(Date.now() + 1_000);
    const { promise, resolve } = Promise.withResolvers<string>();
    const first = breaker.attempt(() => promise);
    const other = vi.fn(refused);
    await expect(breaker.attempt(other)).rejects.toMatchObject(down);
    expect(other).not.toHaveBeenCalled();
    resolve('connected');
    expect(await first).toBe('connected');
    expect(breaker.isOpen).toBe(false);
    expect(await breaker.attempt(async () => 'too')).toBe('too');
  });

  it('is left alone again when that caller gets no answer either', async () => {
    vi.setSystemTime(Date.now() + 1_000);
    await expect(breaker.attempt(refused)).rejects.toMatchObject(down);
    const connect = vi.fn(refused);
    await expect(breaker.attempt(connect)).rejects.toMatchObject(down);
    expect(connect).not.toHaveBeenCalled();
  });
});

it('a connection pooler is called that of its server', async () => {
  const breaker = new CircuitBreaker('b', pino({ level: 'silent' }), 'connection pooler');
  await expect(breaker.attempt(refused)).rejects.toMatchObject({
    code: 'SERVER_BUSY',
    message: 'The connection pooler of the server b does not answer. Try again in a moment.',
  });
});

it('a server is down when connecting takes too long twice, and is then not tried twice again', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const breaker = new CircuitBreaker('b', pino({ level: 'silent' }));
  const late = vi.fn(() => Promise.reject(new Error('timeout expired')));
  await expect(breaker.attempt(late)).rejects.toMatchObject(down);
  expect(late).toHaveBeenCalledTimes(2);
  vi.setSystemTime(Date.now() + 1_000);
  await expect(breaker.attempt(late)).rejects.toMatchObject(down);
  expect(late).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});

it.each([
  ['28P01', 'a wrong password'],
  ['3D000', 'a database that is not there'],
  ['53300', 'too many connections'],
])('a server that refuses with %s, %s, does answer', async (code) => {
  const breaker = new CircuitBreaker('b', pino({ level: 'silent' }));
  const refusal = Object.assign(new Error('refused'), { code });
  await expect(breaker.attempt(() => Promise.reject(refusal))).rejects.toBe(refusal);
  expect(breaker.isOpen).toBe(false);
});

it.each([
  ['57P03', 'it is starting'],
  ['ENOTFOUND', 'its name is unknown'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS fails'],
])('a server does not answer when connecting fails with %s: %s', async (code) => {
  const breaker = new CircuitBreaker('b', pino({ level: 'silent' }));
  await expect(
    breaker.attempt(() => Promise.reject(Object.assign(new Error('failed'), { code }))),
  ).rejects.toMatchObject(down);
  expect(breaker.isOpen).toBe(true);
});
