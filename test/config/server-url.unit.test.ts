import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import {
  parsePoolerUrl,
  parseServerUrl,
  storedPoolerAddress,
  storedServerAddress,
} from '../../src/config/server-address.ts';
import { showHost } from '../../src/config/server-hosts.ts';

const plain = { user: 'u', password: 'p', maintenanceDatabase: 'postgres', ssl: false };
const local = { host: 'localhost', port: 5432 };
const long = 'n'.repeat(300);

describe('the URL of a server', () => {
  it.each<[string, string, object]>([
    [
      'has all its parts',
      'postgres://u:p@db:6543/main',
      { ...plain, host: 'db', port: 6543, maintenanceDatabase: 'main' },
    ],
    ['may leave out port and database', 'postgresql://u:p@db', { ...plain, host: 'db', port: 5432 }],
    ['may have an empty port and database', 'postgres://u:p@db:/', { ...plain, host: 'db', port: 5432 }],
    ['may have no password', 'postgres://u@localhost/postgres', { ...plain, ...local, password: '' }],
    ['may begin in capitals', 'POSTGRES://u:p@localhost', { ...plain, ...local }],
    ['may stand between spaces and line breaks', ' postgres://u:p@localhost/postgres\n', { ...plain, ...local }],
    [
      'has escapes',
      'postgres://u%40x:p%23%2F%3F%3A%40%25@localhost/a%20b',
      { ...plain, ...local, user: 'u@x', password: 'p#/?:@%', maintenanceDatabase: 'a b' },
    ],
    [
      'keeps a plus',
      'postgres://u+v:p+q@localhost/a+b',
      { ...plain, ...local, user: 'u+v', password: 'p+q', maintenanceDatabase: 'a+b' },
    ],
    [
      'may have an @, a colon, a comma and a space in its password',
      'postgres://u:p@q:r,s t@localhost',
      { ...plain, ...local, password: 'p@q:r,s t' },
    ],
    [
      'may have letters of any script',
      'postgres://jürgen:пароль@bücher.example/größe',
      {
        ...plain,
        user: 'jürgen',
        password: 'пароль',
        host: 'bücher.example',
        port: 5432,
        maintenanceDatabase: 'größe',
      },
    ],
    [
      'may have long names',
      `postgres://${long}:p@localhost/${long}`,
      { ...plain, ...local, user: long, maintenanceDatabase: long },
    ],
    [
      'may have a slash in the name of its database',
      'postgres://u:p@localhost/a/b',
      { ...plain, ...local, maintenanceDatabase: 'a/b' },
    ],
    [
      'may have a host with underscores',
      'postgres://u:p@my_db-1.internal.',
      { ...plain, host: 'my_db-1.internal.', port: 5432 },
    ],
    ['may have an IPv4 address', 'postgres://u:p@127.0.0.1:1', { ...plain, host: '127.0.0.1', port: 1 }],
    ['may have an IPv6 address', 'postgres://u:p@[::1]:65535', { ...plain, host: '::1', port: 65_535 }],
    [
      'may have an IPv6 address without a port',
      'postgres://u:p@[2001:db8::7]/postgres',
      { ...plain, host: '2001:db8::7', port: 5432 },
    ],
    [
      'may have an IPv6 address with a zone',
      'postgres://u:p@[fe80::1%25eth0]',
      { ...plain, host: 'fe80::1%eth0', port: 5432 },
    ],
    [
      'may have several hosts',
      'postgres://u:p@one:1,[::1]:2,three/main',
      {
        ...plain,
        host: 'one',
        port: 1,
        otherHosts: [
          { host: '::1', port: 2 },
          { host: 'three', port: 5432 },
        ],
        maintenanceDatabase: 'main',
      },
    ],
    [
      'may have several hosts without ports',
      'postgres://u:p@one,two',
      { ...plain, host: 'one', port: 5432, otherHosts: [{ host: 'two', port: 5432 }] },
    ],
    [
      'may have one port for all hosts',
      'postgres://u:p@one,two/?port=7',
      { ...plain, host: 'one', port: 7, otherHosts: [{ host: 'two', port: 7 }] },
    ],
    [
      'may have its hosts in options',
      'postgres://u:p@/main?host=one,::1&port=7,8',
      { ...plain, host: 'one', port: 7, otherHosts: [{ host: '::1', port: 8 }], maintenanceDatabase: 'main' },
    ],
    ['may have the folder of a socket', 'postgres://u:p@/postgres?host=/tmp', { ...plain, host: '/tmp', port: 5432 }],
    [
      'may have the folder of a socket, and a port',
      'postgres://u:p@:6543/?host=/run/my%20pg',
      { ...plain, host: '/run/my pg', port: 6543 },
    ],
    [
      'may have the folder of a socket as its host',
      'postgres://u:p@%2Ftmp:6543/postgres',
      { ...plain, host: '/tmp', port: 6543 },
    ],
    ['may ask for no TLS', 'postgres://u:p@localhost?sslmode=disable', { ...plain, ...local }],
    [
      'may prefer what libpq prefers, which is no TLS here',
      'postgres://u:p@localhost?sslmode=prefer',
      { ...plain, ...local },
    ],
    [
      'may ask for TLS',
      'postgres://u:p@localhost?sslmode=require',
      { ...plain, ...local, ssl: { rejectUnauthorized: false } },
    ],
    [
      'may ask for a certificate',
      'postgres://u:p@localhost/?sslmode=verify-full&',
      { ...plain, ...local, ssl: { rejectUnauthorized: true } },
    ],
    [
      'may have all its options',
      'postgres://u:p@localhost?connect_timeout=3&target_session_attrs=any&sslmode=verify%2Dca',
      { ...plain, ...local, connectTimeoutMs: 3000, accepts: 'any', ssl: { rejectUnauthorized: true } },
    ],
  ])('%s: %s', (_what, text, address) => {
    expect(parseServerUrl(text)).toEqual(address);
    expect(loadConfig({ DATABASE_URL: text }).server).toEqual(address);
    expect(storedServerAddress(text)).toEqual(address);
  });

  it('in the catalog may have options that are refused today, which had no effect when it was stored', () => {
    const text = 'postgres://u:p@localhost/postgres?application_name=x&sslrootcert=/ca.pem&sslmode=verify-full';
    expect(storedServerAddress(text)).toEqual({ ...plain, ...local, ssl: { rejectUnauthorized: true } });
    expect(storedPoolerAddress(text)).toEqual({ ...local, ssl: { rejectUnauthorized: true } });
    expect(storedServerAddress('postgres://u@/x')).toBe(undefined);
    expect(storedPoolerAddress('none')).toBe(undefined);
  });
});

describe('the URL of a pooler', () => {
  it.each<[string, object]>([
    ['postgres://pooler:6432', { host: 'pooler', port: 6432, ssl: false }],
    ['postgres://u:p@[::1]:6432/x?sslmode=verify-full', { host: '::1', port: 6432, ssl: { rejectUnauthorized: true } }],
    ['postgres:///?host=/tmp&port=6432', { host: '/tmp', port: 6432, ssl: false }],
  ])('has a host, a port and TLS, and the rest does not matter: %s', (text, address) => {
    expect(parsePoolerUrl(text)).toEqual(address);
    const env = { DATABASE_URL: 'postgres://u:p@h', DATABASE_POOLER_URL: text };
    expect(loadConfig(env).pooler).toEqual(address);
    expect(storedPoolerAddress(text)).toEqual(address);
  });
});

it.each([
  ['db.example.com', 'db.example.com:5432'],
  ['::1', '[::1]:5432'],
  ['/run/postgresql', '/run/postgresql:5432'],
])('the host %s is shown with its port as %s', (host, shown) => {
  expect(showHost({ host, port: 5432 })).toBe(shown);
});
