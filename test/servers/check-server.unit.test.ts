import { expect, it } from 'vitest';
import { doubtOf, refusalOf, type ServerFacts } from '../../src/servers/check.ts';

const good: ServerFacts = {
  systemIdentifier: '1',
  version: 150_000,
  isStandby: false,
  mayCreateDatabases: true,
  mayCreateRoles: true,
  inherits: true,
  walLevel: 'replica',
};

it.each<[Partial<ServerFacts>, string | undefined]>([
  [{}, undefined],
  [{ version: 180_004 }, undefined],
  [{ version: 149_999 }, 'It is PostgreSQL 14; 15 or newer is needed'],
  [{ isStandby: true }, 'It is a read-only standby'],
  [{ mayCreateDatabases: false }, 'ALTER ROLE … CREATEDB'],
  [{ mayCreateRoles: false }, 'ALTER ROLE … CREATEROLE'],
  [{ inherits: false }, 'ALTER ROLE … INHERIT'],
])('a server that is %j can hold tenants, or is refused with a reason', (facts, reason) => {
  const refusal = refusalOf({ ...good, ...facts });
  expect(refusal).toEqual(reason && expect.stringContaining(reason));
});

it.each([
  ['replica', undefined],
  ['logical', undefined],
  ['minimal', expect.stringMatching(/second time after a crash. Set wal_level = replica/)],
])('a server with wal_level = %s can be used, and doctor says what is wrong with it', (walLevel, doubt) => {
  expect(doubtOf({ ...good, walLevel })).toEqual(doubt);
});
