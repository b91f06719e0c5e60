import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { register } from '../support/accounts.ts';
import { Fleet } from '../support/fleet.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';

const dataDir = mkdtempSync(path.join(tmpdir(), 'tenantry-cli-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

describe('tenantry token', () => {
  const token = (...args: string[]) => runCommand(['token', ...args], { DATA_DIR: dataDir });

  it('prints a JWT for a tenant, and nothing else', async () => {
    const { exit, stdout, stderr } = await token('--tenant', 'acme', '--role', 'OWNER', '--expires', '15m');
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const claims = decodeJwt(stdout.trim());
    expect(claims).toEqual({ tenant: 'acme', role: 'OWNER', iat: expect.any(Number), exp: (claims.iat ?? 0) + 900 });
  });

  it('prints one for a platform admin, valid for two hours', async () => {
    const claims = decodeJwt((await token('--admin')).stdout.trim());
    expect(claims).toEqual({ platform_admin: true, iat: expect.any(Number), exp: (claims.iat ?? 0) + 7200 });
  });

  it('says what --user needs beside it', async () => {
    expect(await token('--user', 'ada@example.com')).toMatchObject({
      exit: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error: use --admin or --tenant <slug> together with --user: /),
    });
  });

  it('puts the tenant where the settings say', async () => {
    const { stdout } = await runCommand(['token', '--tenant', 'acme'], {
      DATA_DIR: dataDir,
      TENANT_CLAIM: 'app_metadata.tenant',
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'shop',
    });
    expect(decodeJwt(stdout.trim())).toMatchObject({
      app_metadata: { tenant: 'acme' },
      iss: 'https://issuer.example',
      aud: 'shop',
    });
  });

  it.each([
    [[], '--admin or --tenant'],
    [['--admin', '--expires', 'soon'], 'Use a number with a unit'],
    [['--admin', '--expires', '0s'], 'Use a number with a unit'],
    [['--admin', '--expires', '101y'], 'up to 100 years'],
    [['--tenant', 'acme', '--role', 'KING'], 'Allowed choices are OWNER, ADMIN, MEMBER'],
    [['--admin', '--role', 'OWNER'], 'cannot be used with'],
    [['--nonsense'], 'unknown option'],
  ])('ends with 2 and says what is wrong with %j', async (args, message) => {
    const { exit, stdout, stderr } = await token(...args);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('prints one while the database is down, and says that the audit log does not have it', async () => {
    const env = { DATA_DIR: dataDir, DATABASE_URL: 'postgres://me:unspoken@127.0.0.1:1/postgres' };
    const { exit, stdout, stderr } = await runCommand(['token', '--admin'], env);
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.stringMatching(/^ey\S+\n$/) });
    expect(stderr).toMatch(
      /^Cannot write this command to the audit log: PostgreSQL at 127\.0\.0\.1:1 cannot be reached .*\n$/,
    );
  });

  it('ends with 1 and says how long a platform admin’s may be valid', async () => {
    const { exit, stdout, stderr } = await token('--admin', '--expires', '30d');
    expect({ exit, stdout }).toEqual({ exit: 1, stdout: '' });
    expect(stderr).toContain('may be valid for 24 hours at most, but --expires 30d is longer');
    expect(stderr).toContain('MAX_ADMIN_TOKEN_HOURS');
    expect((await token('--admin', '--expires', '24h')).exit).toBe(0);
    expect((await token('--tenant', 'acme', '--expires', '30d')).exit).toBe(0);
    const env = { DATA_DIR: dataDir, MAX_ADMIN_TOKEN_HOURS: '720' };
    expect((await runCommand(['token', '--admin', '--expires', '30d'], env)).exit).toBe(0);
  });

  it('exits with 1 and the reason if there is no key to sign with', async () => {
    const env = { JWT_JWKS_URL: 'http://127.0.0.1:9/keys', JWT_ISSUER: 'https://id.example.com' };
    const { exit, stderr } = await runCommand(['token', '--admin'], env);
    expect({ exit, stderr }).toEqual({ exit: 1, stderr: expect.stringContaining('there is no private key') });
  });

  it('ends with 1 and names all settings that cannot be used', async () => {
    const { exit, stderr } = await runCommand(['token', '--admin'], { PORT: 'x', WORKER: 'y' });
    expect(exit).toBe(1);
    expect(stderr).toMatch(/PORT.*\n.*WORKER/);
  });
});

describe('tenantry token, with a database', () => {
  let fleet: Fleet;
  let tenantry: ReturnType<typeof commandsOf>;
  beforeAll(async () => {
    fleet = await Fleet.start({ WORKER: 'off' });
    tenantry = commandsOf(fleet.app);
    await fleet.createTenants({ acme: 'SCHEMA' });
    await register(fleet.app, 'ada@example.com');
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it.each([[], ['--admin'], ['--user', 'ada@example.com']])(
    'warns of a tenant that is not there, and prints the token all the same: %j',
    async (...args) => {
      const { exit, stdout, stderr } = await tenantry('token', '--tenant', 'acne', ...args);
      expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.stringMatching(/^ey\S+\n$/) });
      expect(stderr).toMatch(/^There is no tenant acne: .* tenantry tenant list\n$/);
      expect(decodeJwt(stdout.trim())).toMatchObject({ tenant: 'acne' });
    },
  );

  it('says how long a token may be valid of a user who is a platform admin', async () => {
    const ask = () => tenantry('token', '--tenant', 'acme', '--user', 'ada@example.com', '--expires', '30d');
    expect((await ask()).exit).toBe(0);
    await tenantry('user', 'update', 'ada@example.com', '--admin');
    expect(await ask()).toMatchObject({ exit: 1, stdout: '', stderr: expect.stringContaining('24 hours at most') });
    await tenantry('user', 'update', 'ada@example.com', '--no-admin');
  });

  it('says nothing of a tenant that is there, by its slug or id', async () => {
    const { id } = await fleet.tenant('acme');
    for (const reference of ['acme', id]) {
      expect(await tenantry('token', '--tenant', reference)).toMatchObject({ exit: 0, stderr: '' });
    }
  });
});

it('tenantry --help names the commands, and no command is wrong usage', async () => {
  const help = await runCommand(['--help'], {});
  expect(help.exit).toBe(0);
  expect(help.stdout).toMatch(/serve .*\n(.*\n)*.*token /);
  expect(await runCommand([], {})).toMatchObject({ exit: 2, stdout: '' });
});
