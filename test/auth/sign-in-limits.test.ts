import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/lib/errors.ts';
import { codeOf, login, loginText, password, register, registerText } from '../support/accounts.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { useServer } from '../support/use-server.ts';

describe('attempts to sign in', () => {
  let postgres: TestPostgres;
  /** Two servers of one installation, behind a proxy. */
  let one: TestApp;
  let two: TestApp;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const limits = {
      TRUSTED_PROXIES: '1',
      SIGN_IN_LIMIT_ACCOUNT: '3',
      SIGN_IN_LIMIT_ACCOUNT_TOTAL: '5',
      SIGN_IN_LIMIT_ADDRESS: '12',
    };
    one = await startTestApp({ ...postgres.env, ...limits });
    two = await startTestApp({ ...postgres.env, ...limits });
  });
  afterAll(async () => {
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  let addresses = 0;
  const anywhere = () => `198.51.100.${++addresses}`;
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const guess = (app: TestApp, email: string, address = anywhere(), secret = 'a wrong password') =>
    app.ask(loginText(email, secret), from(address));
  const codes = async (answers: Promise<Parameters<typeof codeOf>[0]>[]) => (await Promise.all(answers)).map(codeOf);
  const count = (all: (string | undefined)[], code: string) => all.filter((one) => one === code).length;

  it('on one account are limited over all servers and addresses, also when they come at once', async () => {
    await register(one, 'target@example.com');
    const all = await codes(
      Array.from({ length: 20 }, (_, index) =>
        guess(index % 2 ? one : two, index % 3 ? 'target@example.com' : 'TARGET@example.com '),
      ),
    );
    expect(count(all, 'UNAUTHENTICATED')).toBe(5);
    expect(count(all, 'RATE_LIMITED')).toBe(15);
    const { errors } = await guess(two, 'target@example.com', anywhere(), password);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) });
    expect(errors?.[0]?.extensions.retryAfterMs).toBeGreaterThan(800_000);
    expect(errors?.[0]?.extensions.retryAfterMs).toBeLessThanOrEqual(900_000);
  });

  it('on one account from one address are limited, and go on from another', async () => {
    await register(one, 'narrow@example.com');
    const address = anywhere();
    const all = await codes(Array.from({ length: 8 }, () => guess(two, 'narrow@example.com', address)));
    expect(count(all, 'UNAUTHENTICATED')).toBe(3);
    expect(count(all, 'RATE_LIMITED')).toBe(5);
    expect(codeOf(await guess(one, 'narrow@example.com', address, password))).toBe('RATE_LIMITED');
    expect(codeOf(await guess(one, 'narrow@example.com', anywhere(), password))).toBeUndefined();
  });

  it('that were refused use up nothing else', async () => {
    await register(one, 'refused@example.com');
    for (let round = 0; round < 5; round++) await guess(one, 'refused@example.com');
    const address = anywhere();
    for (let round = 0; round < 20; round++) {
      expect(codeOf(await guess(one, 'refused@example.com', address))).toBe('RATE_LIMITED');
    }
    expect(codeOf(await guess(one, 'somebody@example.com', address))).toBe('UNAUTHENTICATED');
  });

  it('on an account that does not exist are limited in the same way', async () => {
    const all = await codes(Array.from({ length: 8 }, () => guess(one, 'nobody@example.com')));
    expect(count(all, 'UNAUTHENTICATED')).toBe(5);
    expect(count(all, 'RATE_LIMITED')).toBe(3);
  });

  it('end with the first that fails, when one request has many under aliases', async () => {
    await register(one, 'aliased@example.com');
    const alias = (name: string, secret: string) =>
      `${name}: login(input: { email: "aliased@example.com", password: "${secret}" }) { token }`;
    const text = `mutation { ${alias('a', 'a wrong password')} ${alias('b', 'another')} ${alias('c', password)} }`;
    const answer = await one.ask(text, from(anywhere()));
    expect(answer).toMatchObject({ data: null, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    for (let round = 0; round < 4; round++) {
      expect(codeOf(await guess(one, 'aliased@example.com'))).toBe('UNAUTHENTICATED');
    }
    expect(codeOf(await guess(one, 'aliased@example.com'))).toBe('RATE_LIMITED');
  });

  it('are refused when a request is a list of them, and one is made where a document has several', async () => {
    await register(one, 'batched@example.com');
    const send = async (body: unknown) => {
      const headers = { 'content-type': 'application/json', ...from(anywhere()) };
      const response = await one.yoga.fetch('http://localhost/graphql', {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      return { status: response.status, text: await response.text() };
    };
    const query = loginText('batched@example.com', 'a wrong password');
    const batch = await send(Array.from({ length: 50 }, () => ({ query })));
    expect(batch.status).toBe(400);
    expect(batch.text).not.toContain('UNAUTHENTICATED');
    const document = query.replace('mutation', 'mutation A') + query.replace('mutation', 'mutation B');
    expect((await send({ query: document })).text).toContain('BAD_USER_INPUT');
    expect((await send({ query: document, operationName: 'B' })).text).toContain('UNAUTHENTICATED');
    // Of five attempts, one is used.
    for (let round = 0; round < 4; round++) {
      expect(codeOf(await guess(one, 'batched@example.com'))).toBe('UNAUTHENTICATED');
    }
    expect(codeOf(await guess(one, 'batched@example.com'))).toBe('RATE_LIMITED');
  });

  it('that succeed do not count', async () => {
    await register(one, 'owner@example.com');
    const address = anywhere();
    for (let round = 0; round < 4; round++) {
      expect(codeOf(await guess(one, 'owner@example.com', address))).toBe('UNAUTHENTICATED');
      expect(codeOf(await guess(two, 'owner@example.com', address, password))).toBeUndefined();
    }
    for (let round = 0; round < 8; round++) {
      expect(codeOf(await guess(two, 'owner@example.com', anywhere(), password))).toBeUndefined();
    }
  });

  it('that the server is too busy for do not count', async () => {
    await register(one, 'waiting@example.com');
    const attempt = { account: 'waiting@example.com', address: anywhere() };
    for (let round = 0; round < 14; round++) {
      const busy = one.services.signInLimits.attempt(attempt, async () => {
        throw new AppError('SERVER_BUSY', 'Too many people are signing in');
      });
      await expect(busy).rejects.toMatchObject({ code: 'SERVER_BUSY' });
    }
    expect(codeOf(await guess(two, attempt.account, attempt.address, password))).toBeUndefined();
  });

  it('from one address are limited whatever account they try', async () => {
    const address = anywhere();
    const all = await codes(
      Array.from({ length: 16 }, (_, index) => guess(index % 2 ? one : two, `${index}@x.org`, address)),
    );
    expect(count(all, 'UNAUTHENTICATED')).toBe(12);
    expect(count(all, 'RATE_LIMITED')).toBe(4);
    expect(codeOf(await one.ask(registerText('late@example.com'), from(address)))).toBe('RATE_LIMITED');
  });

  it('from one network of IPv6 count as from one address', async () => {
    const addressOf = (index: number) => `2001:db8:0:7:${index.toString(16)}::${index}`;
    const all = await codes(
      Array.from({ length: 14 }, (_, index) => guess(one, `v6-${index}@x.org`, addressOf(index))),
    );
    expect(count(all, 'RATE_LIMITED')).toBe(2);
    expect(codeOf(await guess(one, 'v6@x.org', '2001:0DB8:0000:0007::1'))).toBe('RATE_LIMITED');
    expect(codeOf(await guess(one, 'v6@x.org', '2001:db8:0:8::1'))).toBe('UNAUTHENTICATED');
  });

  it('do not come from where the client says, but from where the proxy says', async () => {
    const address = anywhere();
    const claim = (index: number) => `203.0.113.${index}, ${address}`;
    const all = await codes(Array.from({ length: 14 }, (_, index) => guess(one, `liar-${index}@x.org`, claim(index))));
    expect(count(all, 'RATE_LIMITED')).toBe(2);
  });

  it('end when the time is over', async () => {
    await register(one, 'patient@example.com');
    for (let round = 0; round < 6; round++) await guess(one, 'patient@example.com');
    expect(codeOf(await guess(one, 'patient@example.com', anywhere(), password))).toBe('RATE_LIMITED');
    await one.services.catalog.use((client) => client.query('UPDATE login_attempts SET expire = 0'));
    expect(codeOf(await guess(one, 'patient@example.com', anywhere(), password))).toBeUndefined();
  });

  it('count for the password that is asked for when it is changed, too', async () => {
    const person = await register(one, 'changing@example.com');
    const change = `mutation { changePassword(input: { currentPassword: "wrong", newPassword: "${password}" }) }`;
    const all = [];
    for (let round = 0; round < 5; round++) all.push(codeOf(await one.ask(change, person.headers)));
    expect(count(all, 'BAD_USER_INPUT')).toBe(3);
    expect(count(all, 'RATE_LIMITED')).toBe(2);
  });
});

describe('behind two proxies', () => {
  const used = useServer({ SIGN_IN_LIMIT_ADDRESS: '4', TRUSTED_PROXIES: '2' });
  let accounts = 0;
  const guess = async (forwarded?: string) => {
    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
    return (await used.server.post({ query: loginText(`${++accounts}@x.org`) }, headers)).code;
  };

  it('attempts come from whom the outer proxy was asked by, also if it writes the port', async () => {
    const ways = ['192.0.2.1, 10.0.0.1', '192.0.2.1:5000, 10.0.0.1', '::ffff:192.0.2.1, 10.0.0.1'];
    for (const way of [...ways, '[::ffff:192.0.2.1]:443, 10.0.0.1']) expect(await guess(way)).toBe('UNAUTHENTICATED');
    expect(await guess('9.9.9.9, 192.0.2.1, 10.0.0.1')).toBe('RATE_LIMITED');
  });

  it('attempts that come past them, or say no address, are limited by the other end of the connection', async () => {
    for (const way of [undefined, '192.0.2.2', 'unknown, 10.0.0.1', '1.2.3.4:5:6, 10.0.0.1']) {
      expect(await guess(way)).toBe('UNAUTHENTICATED');
    }
    expect(await guess('192.0.2.3')).toBe('RATE_LIMITED');
  });
});

describe('without a proxy', () => {
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    app = await startTestApp({ SIGN_IN_LIMIT_ADDRESS: '4' });
    server = await listen(app.yoga);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  it('attempts come from the other end of the connection, whatever x-forwarded-for says', async () => {
    await register(app, 'a@example.com');
    for (let round = 0; round < 6; round++) {
      const { code } = await server.post(
        { query: loginText(`${round}@x.org`) },
        { 'x-forwarded-for': `192.0.2.${round}` },
      );
      expect(code).toBe(round < 4 ? 'UNAUTHENTICATED' : 'RATE_LIMITED');
    }
    await login(app, 'a@example.com');
  });
});
