import { expect, it } from 'vitest';
import { maskStatement, maskWords, type Quotes } from '../../../src/fleet/failures/mask.ts';

const tenant = { slug: 'acme-7', key: 'k3y0123456' };

it.each<[quotes: Quotes, message: string, masked: string]>([
  ['VALUES', 'invalid input syntax for type integer: "twelve"', 'invalid input syntax for type integer: "…"'],
  ['VALUES', 'order 1234 of acme-7 is worth -5, or 6.50.', 'order … of … is worth …, or ….'],
  ['VALUES', 'value too long for type character varying(20)', 'value too long for type character varying(20)'],
  ['VALUES', "customer 'O' isn't here, 'P' is", "customer '…' isn't here, '…' is"],
  ['VALUES', 'customer “Müller” is gone', 'customer “…” is gone'],
  [
    'NAMES',
    'column "price" of relation "products" contains null values',
    'column "price" of relation "products" contains null values',
  ],
  ['NAMES', 'could not extend file "base/16384/2619": No space', 'could not extend file "…": No space'],
  ['NAMES', 'relation "tenant_k3y0123456.x" and tenant_properties', 'relation "….x" and tenant_properties'],
  ['NAMES', 'database db_k3y0123456 and db_other', 'database … and db_other'],
  ['KEEP', 'connect ECONNREFUSED 127.0.0.1:5432', 'connect ECONNREFUSED 127.0.0.1:5432'],
  [
    'KEEP',
    'The tenant acme-7 (00000000-0000-4000-8000-00000000000A) is not acme-70',
    'The tenant … (…) is not acme-70',
  ],
  ['KEEP', `The file has the hash ${'0a'.repeat(32)}.`, 'The file has the hash ….'],
])('masks %s in %s', (quotes, message, masked) => {
  expect(maskWords(message, tenant, quotes)).toBe(masked);
});

it('leaves an ordinary word that is also a slug, unless it is called a tenant', () => {
  const value = { slug: 'value', key: 'k3y0123456' };
  expect(maskWords('null value in the tenant value', value, 'NAMES')).toBe('null value in the tenant …');
});

it.each<[what: string, statement: string, masked: string]>([
  [
    'strings',
    `INSERT INTO "tenant_k3y0123456".notes VALUES ('It''s mine', '')`,
    `INSERT INTO "…".notes VALUES ('…', '…')`,
  ],
  ['a string that is longer than what is kept', `SELECT '${'secret '.repeat(1_000)}'`, `SELECT '…'`],
  ['an escaped quote', `SELECT E'it\\'s secret', 'b'`, `SELECT '…', '…'`],
  ['an apostrophe in a comment', `SELECT -- don't\n 'secret', 'b'`, `SELECT \n '…', '…'`],
  ['an apostrophe in a name', `SELECT "it's", 'secret'`, `SELECT "it's", '…'`],
  ['numbers', 'INSERT INTO t (a, b) VALUES (42, -7); -- varchar(20)', 'INSERT INTO t (a, b) VALUES (…, …); '],
])('masks the values in a statement with %s', (_what, statement, masked) => {
  expect(maskStatement(statement, tenant)).toBe(masked);
});

it('masks a long message in little time', () => {
  for (const part of [`"`, `'`, `''`, ` '`, '“', '1 ', '1,', '(1', 'tenant_k3y0123456', '0a']) {
    const start = performance.now();
    maskWords(part.repeat(200_000), tenant, 'VALUES');
    expect(performance.now() - start).toBeLessThan(1_000);
  }
});
