import { describe, expect, it } from 'vitest';
import { redactValues } from '../../../src/postgres/sql/redact.ts';

const secret = 'secret';

describe('redactValues', () => {
  it.each([
    [`SELECT * FROM "users" WHERE name = '${secret}'`, `SELECT * FROM "users" WHERE name = '…'`],
    [`SELECT '${secret}''${secret}', e1`, "SELECT '…', e1"],
    [String.raw`SELECT E'\'${secret}' AS x`, "SELECT '…' AS x"],
    [`SELECT 'unterminated ${secret}`, "SELECT '…'"],
    [`SELECT $1, $2 LIMIT 10 OFFSET 5.5e3`, 'SELECT $1, $2 LIMIT ? OFFSET ?'],
    [`SELECT $$${secret}$$, 1`, "SELECT '…'"],
    [`SELECT $tag$${secret}$tag$, 1`, "SELECT '…'"],
    [`SELECT $t1$${secret} words$t1$, 1`, "SELECT '…'"],
    [`SELECT $é$${secret}$é$, 1`, "SELECT '…'"],
    [String.raw`SELECT E'it\'s ${secret}\\'`, "SELECT '…'"],
    [`SELECT 1 -- ${secret}\n FROM t1`, 'SELECT ? FROM t1'],
    [`SELECT 1 /* ${secret} */ FROM t1`, 'SELECT ?'],
    [`UPDATE "a'b" SET n = 4, p1 = '${secret}'`, `UPDATE "a'b" SET n = ?, p1 = '…'`],
  ])('leaves names and placeholders of %s', (sql, expected) => {
    expect(redactValues(sql, 200)).toBe(expected);
  });

  it('hides a string that is cut after a backslash', () => {
    expect(redactValues(`SELECT E'it\\'s ${secret}\\`, 200)).toBe("SELECT '…'");
  });

  it('takes no longer for a name that looks like the beginning of a string in dollar quotes', () => {
    const start = performance.now();
    for (let round = 0; round < 100; round += 1) redactValues(`SELECT $${'a'.repeat(100_000)}`, 100_000);
    // Quadratic time would be minutes.
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('cuts what is long, also within a string', () => {
    const long = redactValues(`SELECT '${secret.repeat(1_000)}', column_name`, 20);
    expect(long).not.toContain(secret);
    expect(redactValues('SELECT a, '.repeat(100), 20)).toHaveLength(21);
  });
});
