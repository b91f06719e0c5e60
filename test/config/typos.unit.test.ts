import { expect, it } from 'vitest';
import { settings } from '../../src/config/settings.ts';
import { findTypos } from '../../src/config/typos.ts';

it.each([
  ['PROT', 'PORT'],
  ['port', 'PORT'],
  ['JWT_SECRETT', 'JWT_SECRET'],
  ['GRAPHQL', 'GRAPHIQL'],
  ['MIGRATION_CONCURENCY', 'MIGRATION_CONCURRENCY'],
  ['DATABSE_UTL', 'DATABASE_URL'],
])('%s is taken for %s', (name, meant) => {
  expect(findTypos([name])).toEqual([{ name, meant }]);
});

it('settings and the names of others are left alone', () => {
  const others = [
    'TZ',
    'NODE_OPTIONS',
    'WEB_PORT',
    'PGPASSWORD',
    'POSTGRES_PASSWORD',
    'REDIS_URL',
    'TEST_DATABASE_URL',
  ];
  expect(findTypos([...Object.keys(settings), ...others])).toEqual([]);
});
