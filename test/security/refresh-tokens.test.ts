import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, type Person, personOf, refreshText, register } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('refresh tokens', () => {
  let postgres: TestPostgres;
  /** Two servers of one installation, behind a proxy. */
  let one: TestApp;
  let two: TestApp;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    one = await startTestApp({ ...postgres.env, TRUSTED_PROXIES: '1' });
    two = await startTestApp({ ...postgres.env, TRUSTED_PROXIES: '1' });
  });
  afterAll(async () => {
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const sql = (text: string, values: unknown[] = []) =>
    one.services.catalog.use(async (client) => (await client.query(text, values)).rows);
  const somebody = () => register(one, `${randomUUID()}@example.com`);
  const refresh = (app: TestApp, token: string, address = '192.0.2.1') =>
    app.ask(refreshText(token), { 'x-forwarded-for': address });
  const goOn = async (app: TestApp, token: string, address?: string) => personOf(await refresh(app, token, address));
  const isLetIn = async ({ headers }: Person) => codeOf(await two.ask('{ viewer { role } }', headers)) === undefined;
  const later = (seconds: number) =>
    sql('UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $1)', [seconds]);
  const tokensOf = ({ id }: Person) =>
    sql('SELECT used_at FROM refresh_tokens JOIN sessions ON sessions.id = session_id WHERE user_id = $1', [id]);

  it('give each of two refreshes at once a good pair, on two servers, and both go on', async () => {
    const person = await somebody();
    const pairs = await Promise.all([one, two].map((app) => goOn(app, person.refreshToken)));
    expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).toBe(2);
    for (const pair of pairs) expect(await isLetIn(pair)).toBe(true);
    await later(31);
    for (const pair of pairs) expect(await isLetIn(await goOn(two, pair.refreshToken))).toBe(true);
  });

  it('are good again for a client that got no answer, also in another address of its network', async () => {
    const person = await somebody();
    await refresh(one, person.refreshToken, '2001:db8:0:7::1');
    await later(25);
    const again = await goOn(two, person.refreshToken, '2001:db8:0:7::2');
    expect(await isLetIn(await goOn(one, again.refreshToken))).toBe(true);
  });

  it.each([
    ['after 30 seconds', 31, '192.0.2.1'],
    ['from elsewhere', 0, '192.0.2.2'],
  ])('that come again %s end the session, for all', async (_when, seconds, address) => {
    const person = await somebody();
    const next = await goOn(one, person.refreshToken);
    await later(seconds);
    expect(codeOf(await refresh(two, person.refreshToken, address))).toBe('UNAUTHENTICATED');
    expect(codeOf(await refresh(one, next.refreshToken))).toBe('UNAUTHENTICATED');
    expect(await sql('SELECT FROM sessions WHERE user_id = $1', [person.id])).toEqual([]);
  });

  it('do not become good for longer by being used again', async () => {
    const person = await somebody();
    for (let round = 0; round < 3; round++) {
      await goOn(one, person.refreshToken);
      await later(9);
    }
    await later(9);
    expect(codeOf(await refresh(one, person.refreshToken))).toBe('UNAUTHENTICATED');
  });

  it('of a session stay few after 1,000 refreshes, one after the other', { timeout: 300_000 }, async () => {
    const person = await somebody();
    let current = person;
    for (let round = 0; round < 1000; round++) current = await goOn(round % 2 ? one : two, current.refreshToken);
    expect((await tokensOf(person)).length).toBeLessThanOrEqual(20);
    expect(await isLetIn(current)).toBe(true);
    // The first is not remembered any more, and still tells that it was stolen.
    expect(codeOf(await refresh(one, person.refreshToken))).toBe('UNAUTHENTICATED');
    expect(codeOf(await refresh(one, current.refreshToken))).toBe('UNAUTHENTICATED');
  });

  it('are not multiplied by one that is used again and again', { timeout: 300_000 }, async () => {
    const person = await somebody();
    const seen: Person[] = [];
    for (let round = 0; round < 40; round++) {
      seen.push(...(await Promise.all([one, two].map((app) => goOn(app, person.refreshToken)))));
    }
    const tokens = await tokensOf(person);
    expect(tokens.filter(({ used_at }) => used_at === null).length).toBeLessThanOrEqual(10);
    expect(await isLetIn(await goOn(one, seen.at(-1)?.refreshToken ?? ''))).toBe(true);
  });

  it('of a thief end with the session when the victim comes, however often the thief has refreshed', async () => {
    const victim = await somebody();
    let thief = await goOn(one, victim.refreshToken, '203.0.113.9');
    for (let round = 0; round < 30; round++) thief = await goOn(two, thief.refreshToken, '203.0.113.9');
    expect(codeOf(await refresh(one, victim.refreshToken))).toBe('UNAUTHENTICATED');
    expect(codeOf(await refresh(one, thief.refreshToken, '203.0.113.9'))).toBe('UNAUTHENTICATED');
  });
});
