import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoteIdentifier, quoteLiteral } from '../../../src/postgres/sql/quote.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const nastyCharacters = fc.constantFrom(
  '"',
  "'",
  '\\',
  '$',
  ';',
  '-',
  '/',
  '*',
  '%',
  ' ',
  '\n',
  '\t',
  '\u0001',
  'é',
  '😀',
);
/** Any character of Unicode, those that mean something to SQL more often than others. */
const character = fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), nastyCharacters);
const text = fc.string({ unit: character, maxLength: 200 }).filter((value) => !value.includes('\0'));
const name = fc
  .string({ unit: character, minLength: 1, maxLength: 63 })
  .filter((value) => !value.includes('\0') && Buffer.byteLength(value) <= 63);
const short = fc.string({ unit: character, maxLength: 5 });
const half = fc.constantFrom('\ud800', '\udbff', '\udc00', '\udfff');

describe('an identifier', () => {
  it('is read by PostgreSQL as the name that was quoted, whatever the name', async () => {
    await fc.assert(
      fc.asyncProperty(name, async (value) => {
        const [row] = await postgres.rows(`SELECT 1 AS ${quoteIdentifier(value)}`);
        expect(Object.entries(row ?? {})).toEqual([[value, 1]]);
      }),
      { numRuns: 300, examples: [['__proto__'], ['"; DROP TABLE x; --'], ['Ω'.repeat(31)], ['x'.repeat(63)]] },
    );
  });

  it('names what is created, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(name, async (value) => {
        const quoted = quoteIdentifier(value);
        await postgres.rows(`CREATE TABLE ${quoted} (${quoted} int)`);
        expect(
          await postgres.rows(
            `SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum = 1
             WHERE c.relnamespace = 'public'::regnamespace`,
          ),
        ).toEqual([{ relname: value, attname: value }]);
        await postgres.rows(`DROP TABLE ${quoted}`);
      }),
      { numRuns: 50 },
    );
  });

  it('is refused when PostgreSQL would make another name of it', () => {
    fc.assert(
      fc.property(text, (value) => {
        const bytes = Buffer.byteLength(value);
        fc.pre(bytes < 1 || bytes > 63);
        expect(() => quoteIdentifier(value)).toThrow(RangeError);
      }),
    );
    fc.assert(
      fc.property(short, fc.oneof(half, fc.constant('\0')), short, (before, bad, after) => {
        expect(() => quoteIdentifier(`${before} ${bad} ${after}`)).toThrow(/zero byte|surrogate/);
      }),
    );
    expect(() => quoteIdentifier('x'.repeat(64))).toThrow('64');
    expect(() => quoteIdentifier('Ω'.repeat(32))).toThrow('64');
  });
});

describe('a literal', () => {
  it.each(['on', 'off'])(
    'is read as the text that was quoted, with standard_conforming_strings %s',
    async (setting) => {
      await postgres.rows(`SET standard_conforming_strings = ${setting}`);
      try {
        await fc.assert(
          fc.asyncProperty(text, async (value) => {
            expect(await postgres.rows(`SELECT ${quoteLiteral(value)} AS value`)).toEqual([{ value }]);
          }),
          { numRuns: 300, examples: [[''], ["\\'; DROP TABLE x; --"], ['\\'], ["E'"]] },
        );
      } finally {
        await postgres.rows('RESET standard_conforming_strings');
      }
    },
  );

  it('is refused when PostgreSQL cannot hold it', () => {
    fc.assert(
      fc.property(text, fc.oneof(half, fc.constant('\0')), (value, bad) => {
        expect(() => quoteLiteral(`${value} ${bad} ${value}`)).toThrow(RangeError);
      }),
    );
  });
});
