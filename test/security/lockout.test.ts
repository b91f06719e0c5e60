import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, password } from '../support/accounts.ts';
import { type Answer, startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('an attacker who tries another person’s passwords', { timeout: 120_000 }, () => {
  let postgres: TestPostgres;
  /** Two servers of one installation, behind a proxy. */
  let one: TestApp;
  let two: TestApp;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const limits = { TRUSTED_PROXIES: '1', SIGN_IN_LIMIT_ACCOUNT: '4', SIGN_IN_LIMIT_ACCOUNT_TOTAL: '12' };
    one = await startTestApp({ ...postgres.env, ...limits });
    two = await startTestApp({ ...postgres.env, ...limits });
  });
  afterAll(async () => {
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const from = (address: string) => ({ 'x-forwarded-for': address });
  const deviceOf = ({ data }: Answer) => {
    // What the mutations below ask for.
    const [{ deviceToken }] = Object.values(data ?? {}) as [{ deviceToken: string }];
    return deviceToken;
  };
  const makeAdmin = async (email: string) => {
    const input = `{ email: "${email}", password: "${password}", name: "Admin" }`;
    const answer = await one.ask(`mutation { register(input: ${input}) { deviceToken viewer { user { id } } } }`);
    // What this mutation asks for.
    const { viewer } = (answer.data?.register ?? {}) as { viewer: { user: { id: string } } };
    const set = `mutation { setPlatformAdmin(user: "${viewer.user.id}", isPlatformAdmin: true) { id } }`;
    expect(codeOf(await one.ask(set, one.admin))).toBeUndefined();
    return deviceOf(answer);
  };
  const login = (app: TestApp, email: string, address: string, secret = password, device?: string) => {
    const input = `{ email: "${email}", password: "${secret}"${device ? `, deviceToken: "${device}"` : ''} }`;
    return app.ask(`mutation { login(input: ${input}) { token deviceToken } }`, from(address));
  };
  /** Wrong passwords, from as many addresses as are needed to use up an account's attempts. */
  const attack = async (email: string, addresses: number) => {
    const codes: (string | undefined)[] = [];
    for (let index = 0; index < addresses * 6; index++) {
      const address = `198.51.100.${index % addresses}`;
      codes.push(codeOf(await login(index % 2 ? one : two, email, address, 'a wrong password')));
    }
    return codes;
  };

  it('from one address is limited, and locks nobody out who is elsewhere', async () => {
    await makeAdmin('elsewhere@example.com');
    const codes = await attack('elsewhere@example.com', 1);
    expect(codes).toEqual([...Array(4).fill('UNAUTHENTICATED'), ...Array(2).fill('RATE_LIMITED')]);
    for (let round = 0; round < 4; round++) await attack('elsewhere@example.com', 1);
    expect(codeOf(await login(two, 'elsewhere@example.com', '192.0.2.1'))).toBeUndefined();
    // The sign-in has given the attacker no new attempts.
    expect(await attack('elsewhere@example.com', 1)).toEqual(Array(6).fill('RATE_LIMITED'));
  });

  it('from many addresses is limited, and does not lock out a device that signed in before', async () => {
    const device = await makeAdmin('device@example.com');
    const codes = await attack('device@example.com', 10);
    expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(12);
    expect(codeOf(await login(one, 'device@example.com', '192.0.2.2'))).toBe('RATE_LIMITED');
    for (let round = 0; round < 3; round++) {
      const answer = await login(two, 'device@example.com', '192.0.2.3', password, device);
      expect(codeOf(answer)).toBeUndefined();
      expect(
        codeOf(await login(one, 'device@example.com', '198.51.100.1', password, deviceOf(answer))),
      ).toBeUndefined();
      expect((await attack('device@example.com', 1)).filter((code) => code !== 'RATE_LIMITED')).toEqual([]);
    }
  });

  it('on a device that is known is limited in the same way', async () => {
    const device = await makeAdmin('known@example.com');
    const codes: (string | undefined)[] = [];
    for (let round = 0; round < 7; round++) {
      codes.push(codeOf(await login(one, 'known@example.com', `192.0.2.${round}`, 'a wrong password', device)));
    }
    expect(codes).toEqual([...Array(4).fill('UNAUTHENTICATED'), ...Array(3).fill('RATE_LIMITED')]);
  });

  it('gets no attempts for a device that has signed in to another account, or a token that is made up', async () => {
    await makeAdmin('target@example.com');
    const foreign = await makeAdmin('foreign@example.com');
    await attack('target@example.com', 10);
    for (const device of [foreign, `${foreign}x`, 'nonsense', 'sealed-v1:', '']) {
      expect(codeOf(await login(two, 'target@example.com', '192.0.2.9', password, device))).toBe('RATE_LIMITED');
    }
  });

  it('does not keep somebody who is signed in from changing the password', async () => {
    await makeAdmin('signed-in@example.com');
    const answer = await login(one, 'signed-in@example.com', '192.0.2.10');
    // What the login asks for.
    const { token } = (answer.data?.login ?? {}) as { token: string };
    await attack('signed-in@example.com', 10);
    const input = `{ currentPassword: "${password}", newPassword: "another ${password}" }`;
    const headers = { authorization: `Bearer ${token}` };
    expect(codeOf(await one.ask(`mutation { changePassword(input: ${input}) }`, headers))).toBeUndefined();
  });

  it('leaves counts behind that end with their time, and none that are not needed', async () => {
    const sql = (text: string) => one.services.catalog.use(async (client) => (await client.query(text)).rows);
    await sql('DELETE FROM login_attempts');
    await attack('nobody@example.com', 3);
    // For each address one alone and one with the account, and one for the account.
    expect(await sql('SELECT FROM login_attempts')).toHaveLength(7);
    expect(
      await sql(
        'SELECT FROM login_attempts WHERE expire IS NULL OR expire > extract(epoch FROM now()) * 1000 + 901000',
      ),
    ).toEqual([]);
  });
});
