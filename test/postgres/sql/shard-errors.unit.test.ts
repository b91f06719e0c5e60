import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { isChangedHistory } from '../../../src/migrator/files/history.ts';
import { constraintOf, violationOf } from '../../../src/postgres/sql/error-codes.ts';

/** An error as node-postgres creates it. */
function databaseError(fields: Partial<pg.DatabaseError>): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('refused', 0, 'error'), { code: '23505', ...fields });
}

const where = 'SQL statement "INSERT …"\nwhile executing command on 10.0.0.7:5432';

describe('an error of a table that Citus has put on another node', () => {
  it('names the table and the constraint, and not their shard', () => {
    const error = databaseError({ table: 'products_102018', constraint: 'products_sku_key_102018', where });
    expect(violationOf(error)).toMatchObject({ table: 'products', constraint: 'products_sku_key' });
    expect(constraintOf(error)).toBe('products_sku_key');
  });

  it('is recognized if somebody else has changed the history', () => {
    const refused = { code: '23502', column: 'status' };
    expect(isChangedHistory(databaseError({ ...refused, table: 'migration_history_102018', where }))).toBe(true);
    expect(isChangedHistory(databaseError({ ...refused, table: 'migration_history' }))).toBe(true);
    expect(isChangedHistory(databaseError({ ...refused, table: 'products_102018', where }))).toBe(false);
  });
});

it('keeps the name of a table that ends with a number', () => {
  const error = databaseError({
    table: 'orders_202601',
    constraint: 'orders_202601_pkey',
    where: 'PL/pgSQL function f()',
  });
  expect(violationOf(error)).toMatchObject({ table: 'orders_202601', constraint: 'orders_202601_pkey' });
});
