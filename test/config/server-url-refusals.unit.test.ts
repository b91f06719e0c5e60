import { describe, expect, it } from 'vitest';
import { parsePoolerUrl, parseServerUrl } from '../../src/config/server-address.ts';
import { problemsOf } from '../support/config-problems.ts';

/** Is in no message. */
const secret = 'hunter2';
const isLike = 'a URL is like postgres://user:password@host:5432/postgres';

function messageFrom(parse: (text: string) => unknown, text: string): string {
  try {
    parse(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
}

describe('the URL of a server', () => {
  const brackets = 'has colons or brackets in its host; write an IPv6 address as in [::1]:5432';
  const port = `has a port that is not a number from 1 to 65535; ${isLike}`;
  const starts = 'must be a URL that starts with postgres:// or postgresql://';
  const before = 'in a user name or password, write / as %2F, ? as %3F and # as %23';
  const noHost =
    'has no host; write localhost if it is this machine, or the option host for the folder of a socket, as in ?host=/run/postgresql';
  const all = 'the options are sslmode, target_session_attrs, connect_timeout, host and port';
  const asIn = 'as in postgres://user:password@host:5432/postgres';
  const emptyHost = 'has an empty host beside a comma; separate hosts as in one:5432,two:5432';
  const refused: readonly (readonly [string, string])[] = [
    // How it begins.
    [`mysql://u:${secret}@h/x`, starts],
    [`u:${secret}@h/x`, starts],
    [`host=h user=u password=${secret}`, starts],
    [`postgres:u:${secret}@h:6432`, starts],
    [`"postgres://u:${secret}@h/x"`, `${starts}, not a quote`],
    // Characters without an escape.
    [`postgres://u:${secret}/x@h/x`, `has / before the @; ${before}`],
    [`postgres://u:${secret}?x@h/x`, `has ? before the @; ${before}`],
    [`postgres://u:${secret}#x@h/x`, `has # before the @; ${before}`],
    [
      `postgres://u:p@${secret}/x@h/x`,
      `has an @ after its host; in a password or a name, write @ as %40, / as %2F, ? as %3F and # as %23`,
    ],
    [
      `postgres://u:${secret}@h/x?host=@y`,
      `has an @ after its host; in a password or a name, write @ as %40, / as %2F, ? as %3F and # as %23`,
    ],
    [`postgres://u:${secret}@h/x#y`, 'has a # in it; in a password or a name, write # as %23'],
    [`postgres://u:${secret}%@h/x`, 'has a % in its password that begins no escape of UTF-8; write % itself as %25'],
    [`postgres://u:${secret}%E4@h/x`, 'has a % in its password that begins no escape of UTF-8; write % itself as %25'],
    [`postgres://u%zz:${secret}@h/x`, 'has a % in its user name that begins no escape of UTF-8; write % itself as %25'],
    [
      `postgres://u:${secret}@h/%zz`,
      'has a % in its name of the database that begins no escape of UTF-8; write % itself as %25',
    ],
    [`postgres://u:${secret}@h%zz`, 'has a % in its host that begins no escape of UTF-8; write % itself as %25'],
    [`postgres://u:${secret}%00@h/x`, 'has %00 in its password, which PostgreSQL does not accept'],
    [
      `postgres://u:${secret}\n@h/x`,
      'has a line break or another control character in it; remove it, or write it as in %0A',
    ],
    [
      `postgres://u:${secret}@h\u0007/x`,
      'has a line break or another control character in it; remove it, or write it as in %0A',
    ],
    // Hosts and ports.
    [`postgres://one,,two/x`, emptyHost],
    [`postgres://u:${secret}@one,two,:7/x`, emptyHost],
    [`postgres://u:${secret}@,/x`, emptyHost],
    [`postgres:///x`, noHost],
    [`postgres://u:${secret}@/x`, noHost],
    [`postgres://u:${secret}@:6432/x`, noHost],
    [`postgres://u:${secret}@/x?host=`, noHost],
    [`postgres://one:x/y`, port],
    [`postgres://u:${secret}`, port],
    [`postgres://u:${secret}@one:1,two:port/x`, port],
    [`postgres://u:${secret}@h:0/x`, port],
    [`postgres://u:${secret}@h:65536/x`, port],
    [`postgres://u:${secret}@h:-1/x`, port],
    [`postgres://u:${secret}@h:1:2/x`, port],
    [`postgres://u:${secret}@h/x?port=70000`, port],
    [`postgres://u:${secret}@[::1`, brackets],
    [`postgres://u:${secret}@[h]:1/x`, brackets],
    [`postgres://u:${secret}@[::1]5432/x`, brackets],
    [`postgres://u:${secret}@2001:db8::1:5432/x`, brackets],
    [`postgres://u:${secret}@my host/x`, `has a space in its host; ${isLike}`],
    [`postgres://u:${secret}@\${HOST}/x`, `has the character $ in its host; ${isLike}`],
    [`postgres://u:${secret}@h%0A/x`, `has the character U+000A in its host; ${isLike}`],
    [
      `postgres://u:${secret}@one/x?host=two`,
      'names a host before its path and another in the option host; leave one out',
    ],
    [
      `postgres://u:${secret}@one:1/x?port=2`,
      'names a port before its path and another in the option port; leave one out',
    ],
    [`postgres://u:${secret}@one,two/x?port=1,2,3`, 'has 3 ports, but 2 hosts; name one port, or one for each'],
    [`postgres://u:${secret}@one/x?port=1,2`, 'has 2 ports, but one host; name one port, or one for each'],
    // Users and options.
    ['postgres://h/x', `must name a user, ${asIn}`],
    [`postgres://h:1234?${secret}=x`, `must name a user, ${asIn}`],
    [`postgres://:${secret}@h/x`, `must name a user, ${asIn}`],
    [`postgres://h/x?user=u&password=${secret}`, `must name a user, ${asIn}`],
    [
      `postgres://u@h/x?password=${secret}`,
      `has the option password, which has no effect; write the password before the host, ${asIn}`,
    ],
    [
      `postgres://u:${secret}@h/x?user=v`,
      `has the option user, which has no effect; write the user before the host, ${asIn}`,
    ],
    [
      `postgres://u:${secret}@h?dbname=x`,
      `has the option dbname, which has no effect; write the database as the path, ${asIn}`,
    ],
    [`postgres://u:${secret}@h?ssl=true`, 'has the option ssl, which has no effect; use sslmode'],
    [
      `postgres://u:${secret}@h?sslmode=verify-full&sslrootcert=/ca.pem`,
      'has the option sslrootcert, which has no effect; let NODE_EXTRA_CA_CERTS name the file with the certificate of a private CA',
    ],
    [
      `postgres://u:${secret}@h?sslcert=/a.pem`,
      'has the option sslcert, which has no effect; Tenantry logs in with a password; leave it out',
    ],
    [
      `postgres://u:${secret}@h?sslkey=/a.pem`,
      'has the option sslkey, which has no effect; Tenantry logs in with a password; leave it out',
    ],
    [`postgres://u:${secret}@h?constructor=x`, `has the option constructor, which has no effect; ${all}`],
    [`postgres://u:${secret}@h?pgbouncer=true`, `has the option pgbouncer, which has no effect; ${all}`],
    [`postgres://u:${secret}@h?SSLMODE=require`, `has the option SSLMODE, which has no effect; ${all}`],
    [`postgres://u:${secret}@h?sslmode`, 'has an option without a value; write it as in ?sslmode=require'],
    [
      `postgres://u:${secret}@h?=x`,
      'has an option with an invalid name; write options as in ?sslmode=require&connect_timeout=5',
    ],
    [`postgres://u:${secret}@h?sslmode=require&sslmode=disable`, 'has the option sslmode twice; leave one out'],
    [
      `postgres://u:${secret}@h?sslmode=%zz`,
      'has a % in its option sslmode that begins no escape of UTF-8; write % itself as %25',
    ],
    [`postgres://u:${secret}@h?sslmode=%1B`, 'has a control character in its option sslmode; remove it'],
    [`postgres://u:${secret}@h?sslmode=maybe`, 'has the unknown sslmode maybe; use disable, require or verify-full'],
    [
      `postgres://u:${secret}@/x?host=/tmp&sslmode=require`,
      'has sslmode require, but PostgreSQL has no TLS over a socket; leave sslmode out',
    ],
    [
      `postgres://u:${secret}@one,two?target_session_attrs=standby`,
      'has target_session_attrs standby, but must have any, primary, read-write or be left out, because Tenantry writes',
    ],
    [
      `postgres://u:${secret}@h?connect_timeout=0`,
      'has connect_timeout 0, but it must be a number of seconds from 1 to 999',
    ],
  ];

  it.each(refused)('is refused, with what to do: %j', (text, what) => {
    expect(messageFrom(parseServerUrl, text)).toBe(`The URL ${what}`);
    for (const name of ['DATABASE_URL', 'ADMIN_CONN_STR']) {
      const its = name === 'ADMIN_CONN_STR' ? what.replace(starts, `${starts} or postgresql+psycopg2://`) : what;
      expect(problemsOf({ [name]: text })).toEqual([`${name} ${its}`]);
    }
    const env = { DATABASE_URL: 'postgres://u:p@h', ADMIN_DATABASE_URL: text };
    expect(problemsOf(env)).toEqual([`ADMIN_DATABASE_URL ${what}`]);
  });

  it('is not in the message, nor a part of its password', () => {
    for (const [text] of refused) expect(messageFrom(parseServerUrl, text)).not.toMatch(/hunter|accepted/);
  });

  it('names every problem of its options', () => {
    expect(messageFrom(parseServerUrl, 'postgres://u@h?a=1&sslmode=x&connect_timeout=y')).toBe(
      [
        `The URL has the option a, which has no effect; ${all}`,
        'The URL has connect_timeout y, but it must be a number of seconds from 1 to 999',
        'The URL has the unknown sslmode x; use disable, require or verify-full',
      ].join('; '),
    );
  });

  it('that is malformed is not called missing', () => {
    const secrets = { JWT_SECRET: 'x'.repeat(32), ROLE_SECRET: 'y'.repeat(32) };
    const env = { NODE_ENV: 'production', ...secrets, DATABASE_POOLER_URL: 'postgres://pooler' };
    expect(problemsOf({ ...env, DATABASE_URL: 'postgres://u@/x' })).toEqual([`DATABASE_URL ${noHost}`]);
    expect(problemsOf(env)).toEqual([
      'DATABASE_POOLER_URL is set, but DATABASE_URL is not',
      'DATABASE_URL must be set when NODE_ENV is production',
    ]);
  });
});

describe('the URL of a pooler', () => {
  const noHost = 'has no host; write localhost if it is this machine, or the option host';
  const only = 'which has no effect; of the URL of a pooler, only the host, the port and sslmode matter';
  it.each([
    ['none', 'must be a URL that starts with postgres:// or postgresql://'],
    ['postgres:h:6432', 'must be a URL that starts with postgres:// or postgresql://'],
    ['postgres://:6432', noHost],
    ['postgres:///x', noHost],
    ['postgres://a:1,b:2', 'must name one host; put a load balancer before several poolers'],
    ['postgres://a,b', 'must name one host; put a load balancer before several poolers'],
    ['postgres://h:99999', 'has a port that is not a number from 1 to 65535'],
    [`postgres://h?password=${secret}`, `has the option password, ${only}`],
    ['postgres://h?connect_timeout=2', `has the option connect_timeout, ${only}`],
    ['postgres://h?target_session_attrs=any', `has the option target_session_attrs, ${only}`],
    ['postgres://h?sslrootcert=x', 'has the option sslrootcert, which has no effect; let NODE_EXTRA_CA_CERTS name'],
    ['postgres://h?sslmode=on', 'has the unknown sslmode on; use disable, require or verify-full'],
  ])('is refused, with what to do: %s', (text, what) => {
    const message = messageFrom(parsePoolerUrl, text);
    expect(message).toContain(`The pooler's URL ${what}`);
    expect(message).not.toContain(secret);
    const env = { DATABASE_URL: 'postgres://u:p@h', DATABASE_POOLER_URL: text };
    expect(problemsOf(env)).toEqual([message.replace("The pooler's URL", 'DATABASE_POOLER_URL')]);
  });
});
