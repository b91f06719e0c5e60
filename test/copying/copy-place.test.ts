import { afterAll, beforeAll, expect, it } from 'vitest';
import { copyPlace } from '../../src/copying/copy-place.ts';
import type { CopyProgress } from '../../src/copying/place.ts';
import { CopyLab, historySql } from '../support/copy-lab.ts';
import { eventually } from '../support/eventually.ts';

let lab: CopyLab;
beforeAll(async () => {
  lab = await CopyLab.start();
});
afterAll(() => lab[Symbol.asyncDispose]());

const signal = new AbortController().signal;

it('refuses a target whose tables differ, names the differences, and changes nothing', async () => {
  const source = await lab.one.make('SCHEMA', `${historySql}; CREATE TABLE a (id int); CREATE TABLE b (n int, m text)`);
  const target = await lab.other.make('DATABASE', `${historySql}; CREATE TABLE b (n bigint); INSERT INTO b VALUES (1)`);
  await expect(copyPlace({ from: source, to: target, parallel: 2, signal })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: `The tables of ${source.schema} in the database shared differ from what its migrations make, so they cannot be copied: column b.m exists only in the source, column b.n is 1 integer in the source, but 1 bigint in the target, table a exists only in the source. Undo what was changed by hand, or write a migration for it, and try again. \`tenantry drift\` shows such changes.`,
  });
  expect(await target.rows('SELECT n FROM b')).toEqual([{ n: '1' }]);
});

it('refuses a tenant with large objects', async () => {
  const source = await lab.one.make('DATABASE', `${historySql}; SELECT lo_from_bytea(0, 'x')`);
  const target = await lab.other.make('DATABASE', historySql);
  await expect(copyPlace({ from: source, to: target, parallel: 2, signal })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('has 1 large object of this tenant'),
  });
});

it('copies one moment of a source that is written to, and is told of another one by its snapshot', async () => {
  const sql = `${historySql}; CREATE TABLE a (n int); CREATE TABLE b (n int); CREATE TABLE c (n int)`;
  const source = await lab.one.make(
    'DATABASE',
    `${sql}; INSERT INTO a VALUES (0); INSERT INTO b VALUES (0); INSERT INTO c VALUES (0)`,
  );
  const targets = [await lab.other.make('DATABASE', sql), await lab.other.make('SCHEMA', sql)];
  const [first, second] = targets;
  if (!first || !second) throw new Error('There are two');
  let [isOver, written] = [false, 0];
  const write = source.use(async (client) => {
    for (let n = 1; !isOver; n += 1) {
      await client.query(
        `BEGIN; INSERT INTO a VALUES (${n}); INSERT INTO b VALUES (${n}); INSERT INTO c VALUES (${n}); COMMIT`,
      );
      written = n;
    }
  });
  try {
    await eventually('rows are written', async () => written > 10);
    await copyPlace({ from: source, to: first, parallel: 3, signal });
    await source.use(async (client) => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      const { rows } = await client.query<{ snapshot: string; n: string }>(
        'SELECT pg_export_snapshot() AS snapshot, (SELECT count(*) FROM a) AS n',
      );
      const [exported] = rows;
      if (!exported) throw new Error('There is a row');
      const later = written + 5;
      await eventually('more rows are written', async () => written > later);
      await copyPlace({ from: source, to: second, parallel: 3, snapshot: exported.snapshot, signal });
      expect(await second.rows('SELECT count(*) AS n FROM b')).toEqual([{ n: exported.n }]);
    });
  } finally {
    isOver = true;
    await write;
  }
  for (const target of targets) {
    const [counts] = await target.rows<Record<string, number>>(
      `SELECT (SELECT count(*) FROM a) AS a, (SELECT count(*) FROM b) AS b, (SELECT count(*) FROM c) AS c, (SELECT max(n) + 1 FROM c)::bigint AS d`,
    );
    expect(new Set(Object.values(counts ?? {})).size).toBe(1);
    expect(Number(counts?.a)).toBeGreaterThan(10);
  }
});

it('tells how far it is, and stops at once when it is aborted', async () => {
  const sql = `${historySql}; CREATE TABLE a (n int, t text); CREATE TABLE b (n int, t text)`;
  const rows = (table: string) => `INSERT INTO ${table} SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n`;
  const source = await lab.one.make('SCHEMA', `${sql}; ${rows('a')}; ${rows('b')}; ANALYZE a, b`);
  const target = await lab.other.make('DATABASE', sql);
  const aborted = new AbortController();
  const reason = new Error('enough');
  await expect(
    copyPlace({
      from: source,
      to: target,
      parallel: 2,
      onProgress: ({ bytesCopied }) => bytesCopied > 0 && aborted.abort(reason),
      signal: aborted.signal,
    }),
  ).rejects.toBe(reason);
  await eventually(
    'no connection is left',
    async () => lab.one.server.stats.open === 0 && lab.other.server.stats.open === 0,
  );
  const seen: CopyProgress[] = [];
  await copyPlace({ from: source, to: target, parallel: 1, onProgress: (progress) => seen.push(progress), signal });
  expect(seen.at(-1)).toMatchObject({ rowsCopied: 40_001, rowsTotal: 40_001 });
  const copied = seen.map(({ rowsCopied }) => rowsCopied);
  expect(copied).toEqual(copied.toSorted((one, other) => one - other));
  expect(seen.every(({ rowsCopied, rowsTotal }) => rowsCopied <= rowsTotal)).toBe(true);
});

it('fails as PostgreSQL does, and leaves no connection', async () => {
  const sql = `${historySql}; CREATE TABLE a (n int); CREATE TABLE b (n int)`;
  const source = await lab.one.make(
    'SCHEMA',
    // So many that the copy is not done before it is ended.
    `${sql}; INSERT INTO a SELECT generate_series(1, 600000); INSERT INTO b VALUES (1)`,
  );
  const target = await lab.other.make('DATABASE', sql);
  const copying = copyPlace({
    from: source,
    to: target,
    parallel: 2,
    onProgress: () =>
      void lab.other.postgres.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tenantry' AND query LIKE 'COPY%'`,
      ),
    signal,
  });
  await expect(copying).rejects.toThrow();
  await eventually(
    'no connection is left',
    async () => lab.one.server.stats.open === 0 && lab.other.server.stats.open === 0,
  );
});
