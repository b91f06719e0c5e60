import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPromise } from 'yauzl';
import { exportTo } from '../support/archives.ts';
import { Fleet } from '../support/fleet.ts';

const stack = new AsyncDisposableStack();
let fleet: Fleet;
let folder: string;

/** A type, a value of it as SQL, and what a reader of JSON gets. */
const values: readonly (readonly [type: string, sql: string, json: unknown])[] = [
  ['text', `''`, ''],
  ['text', 'NULL', null],
  ['text', `'NULL'`, 'NULL'],
  ['text', `'null'`, 'null'],
  ['text', `'"'`, '"'],
  ['text', `'""'`, '""'],
  ['text', `'a,b;c'`, 'a,b;c'],
  ['text', String.raw`E'\n'`, '\n'],
  ['text', String.raw`E'a\r\nb\rc\n'`, 'a\r\nb\rc\n'],
  ['text', String.raw`E'\t \b\f\v'`, '\t \b\f\v'],
  ['text', String.raw`E'\u0001\u001b[2J\u007f'`, '\u0001\u001b[2J\u007f'],
  ['text', String.raw`'\0 \u0000 \x00 \N \.'`, String.raw`\0 \u0000 \x00 \N \.`],
  ['text', String.raw`'\.'`, String.raw`\.`],
  ['text', `'=1+1'`, '=1+1'],
  ['text', `'+cmd|x'`, '+cmd|x'],
  ['text', `'-1'`, '-1'],
  ['text', `'@SUM(A1)'`, '@SUM(A1)'],
  ['text', `' around '`, ' around '],
  ['text', String.raw`'é 😀 ' || U&'\FEFF\202E'`, 'é 😀 \ufeff\u202e'],
  ['text', `repeat('x"', 2000000)`, 'x"'.repeat(2_000_000)],
  ['double precision', `'NaN'`, 'NaN'],
  ['double precision', `'-Infinity'`, '-Infinity'],
  ['double precision', `'1e-300'`, 1e-300],
  ['real', `'0.1'`, 0.1],
  ['date', `'infinity'`, 'infinity'],
  ['date', `'0044-03-15 BC'`, '0044-03-15 BC'],
  ['timestamptz', `'-infinity'`, '-infinity'],
  ['timestamptz', `'2026-01-02 03:04:05.000006+02'`, '2026-01-02T01:04:05.000006+00:00'],
  ['interval', `'-1 year -2 days +00:00:01.5'`, '-1 years -2 days +00:00:01.5'],
  ['bytea', String.raw`'\x00ff5c0a22'`, String.raw`\x00ff5c0a22`],
  ['bytea', `''`, String.raw`\x`],
  ['text[]', String.raw`ARRAY['a"b', NULL, '', E'\n', 'NULL', '{}', ',']`, ['a"b', null, '', '\n', 'NULL', '{}', ',']],
  [
    'int[]',
    `'[2:3][1:2]={{1,2},{3,4}}'`,
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ['int[]', `'{}'`, []],
  ['pair', `ROW('a"b,(', NULL)`, { word: 'a"b,(', amount: null }],
  ['pair[]', `ARRAY[ROW('', 1), NULL]::pair[]`, [{ word: '', amount: 1 }, null]],
  ['jsonb', `'null'`, null],
  ['jsonb', 'NULL', null],
  ['jsonb', String.raw`'{"a": "\"\n\\u0041", "b": [null, {}], "=1": 1}'`, { a: '"\n\\u0041', b: [null, {}], '=1': 1 }],
  ['json', `'{"a":  1, "a": 2}'`, { a: 2 }],
  ['mood', `'so-so, "really"'`, 'so-so, "really"'],
  ['int4range', `'empty'`, 'empty'],
  ['int4range', `'(,5]'`, '(,6)'],
  ['inet', `'::1/64'`, '::1/64'],
  ['xml', `'<a b="c">&amp;</a>'`, '<a b="c">&amp;</a>'],
  ['boolean', 'false', false],
  ['bit(3)', `B'010'`, '010'],
];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tenantry-odd-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  fleet = stack.use(await Fleet.start());
  const columns = values.map(([type], index) => `c${index} ${type}`);
  await fleet.migrations.add(
    '20261122000000_odd',
    `CREATE TYPE pair AS (word text, amount int); CREATE TYPE mood AS ENUM ('so-so, "really"');
     CREATE TABLE odd (id int PRIMARY KEY, ${columns.join(', ')})`,
  );
  await fleet.createTenants({ acme: 'DATABASE' });
  await fleet.inTenant('acme', `INSERT INTO odd VALUES (1, ${values.map(([, sql]) => sql).join(', ')})`);
});
afterAll(() => stack.disposeAsync());

async function read(format: 'csv' | 'json'): Promise<string> {
  const file = path.join(folder, format);
  await exportTo(fleet, 'acme', file, '--format', format);
  const zip = await openPromise(file);
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName === `tables/odd.${format}`) return text(await zip.openReadStreamPromise(entry));
  }
  return expect.unreachable('there is no such table');
}

describe('a reader gets each value exactly', () => {
  it('from CSV, as PostgreSQL writes it', async () => {
    // PostgreSQL writes a boolean as `t` or `f` there.
    const columns = values.map(
      ([type], n) => `${type === 'boolean' ? `left(c${n}::text, 1)` : `c${n}::text`} AS c${n}`,
    );
    const [expected] = await fleet.inTenant<Record<string, string | null>>(
      'acme',
      `SELECT ${columns.join(', ')} FROM odd`,
    );
    // What is missing is empty, and an empty text has quotes.
    const rows: readonly Record<string, string | null>[] = parse(await read('csv'), {
      columns: true,
      cast: (value, { quoting }) => (value === '' && !quoting ? null : value),
    });
    expect(rows).toEqual([{ id: '1', ...expected }]);
  });

  it('from JSON, as the nearest type of JSON', async () => {
    const rows: unknown = JSON.parse(await read('json'));
    const expected = Object.fromEntries(values.map(([, , json], index) => [`c${index}`, json]));
    expect(rows).toEqual([{ id: 1, ...expected }]);
  });
});
