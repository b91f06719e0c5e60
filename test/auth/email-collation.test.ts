import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, login, register, registerText } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('email addresses in a database with a Turkish collation', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    await postgres.rows(
      "CREATE DATABASE auth TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'",
    );
    app = await startTestApp(postgres.env, { first: true });
  });
  afterAll(async () => {
    await app?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  it('are the same in upper and lower case', async () => {
    const [{ lower } = {}] = await postgres.rows<{ lower: string }>("SELECT lower('I')", [], 'auth');
    expect(lower).toBe('ı');
    const { id } = await register(app, 'INFO@EXAMPLE.COM');
    expect(codeOf(await app.ask(registerText('info@example.com')))).toBe('CONFLICT');
    expect((await login(app, 'Info@Example.com')).id).toBe(id);
  });
});
