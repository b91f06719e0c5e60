import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

/** The codes of a list, which anybody may ask for; it must be sorted, and each code be there once. */
async function codesOf(field: string, selection: string): Promise<Map<string, object>> {
  const { data, errors } = await app.ask(`{ rows: ${field} { code ${selection} } }`);
  expect(errors).toBeUndefined();
  // What this query asks for.
  const rows = data?.rows as { code: string }[];
  const codes = rows.map(({ code }) => code);
  expect(codes).toEqual([...new Set(codes)].toSorted());
  return new Map(rows.map(({ code, ...row }) => [code, row]));
}

it('the currencies are those of ISO 4217, with the digits of their minor units', async () => {
  const currencies = await codesOf('currencies', 'name digits');
  expect(currencies.size).toBeGreaterThan(160);
  for (const code of currencies.keys()) expect(code).toMatch(/^[A-Z]{3}$/);
  expect(currencies.get('EUR')).toEqual({ name: 'Euro', digits: 2 });
  const digits = ['JPY', 'USD', 'KWD', 'CLF'].map((code) => currencies.get(code));
  expect(digits).toMatchObject([{ digits: 0 }, { digits: 2 }, { digits: 3 }, { digits: 4 }]);
  // What has no minor units, such as gold, and what is no currency any more.
  for (const code of ['XAU', 'XXX', 'DEM']) expect(currencies.has(code), code).toBe(false);
});

it('the countries are the 249 of ISO 3166-1', async () => {
  const countries = await codesOf('countries', 'name');
  expect(countries.size).toBe(249);
  for (const code of countries.keys()) expect(code).toMatch(/^[A-Z]{2}$/);
  expect(['DE', 'JP', 'AX'].map((code) => countries.get(code))).toEqual([
    { name: 'Germany' },
    { name: 'Japan' },
    { name: 'Åland Islands' },
  ]);
  // Assigned by users, and withdrawn.
  for (const code of ['XK', 'SU']) expect(countries.has(code), code).toBe(false);
});
