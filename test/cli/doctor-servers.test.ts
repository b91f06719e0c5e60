import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { durableSequences } from '../support/postgres-settings.ts';
import { runCommand } from '../support/run-command.ts';
import { startInstalledPostgres, startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** With these, PostgreSQL does not log what a sequence has given in the transaction that made it. */
const minimal = { wal_level: 'minimal', max_wal_senders: '0' };

describe('doctor, where a URL names several hosts', () => {
  let postgres: TestPostgres;
  let other: TestPostgres;
  beforeAll(async () => {
    [postgres, other] = await Promise.all([startInstalledPostgres(durableSequences), startTestPostgres(minimal)]);
  });
  afterAll(async () => {
    await other?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  /** Where nothing listens. */
  const dead = ['127.0.0.1:1', '127.0.0.1:2'] as const;
  const deadReasons = dead.map((at) => `${at}: connect ECONNREFUSED ${at}`);
  const at = ({ address }: TestPostgres) => `${address.host}:${address.port}`;
  /** The URL of a server, with these hosts. */
  const urlAt = (server: TestPostgres, ...hosts: readonly string[]) =>
    server.env.DATABASE_URL.replace(`@${at(server)}`, `@${hosts.join(',')}`);
  const command = (argv: readonly string[], more: Record<string, string> = {}) =>
    runCommand(argv, { NODE_ENV: 'test', ...postgres.env, ...more });
  const doctor = (more?: Record<string, string>) => command(['doctor'], more);

  it('names the host that has answered', async () => {
    const { exit, stdout } = await doctor({ DATABASE_URL: urlAt(postgres, dead[0], at(postgres)) });
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout: expect.stringMatching(new RegExp(`^✓ PostgreSQL \\d+\\.\\d+, ${at(postgres)}$`, 'm')),
    });
    expect(stdout).not.toContain(dead[0]);
  });

  it('says of each host why it cannot be used, if none can', async () => {
    const what = 'DATABASE_URL must name a running PostgreSQL server and a role that may create databases and roles';
    const { exit, stdout } = await doctor({ DATABASE_URL: urlAt(postgres, ...dead) });
    const all = deadReasons.join('; ');
    expect({ exit, stdout }).toEqual({
      exit: 1,
      stdout: expect.stringContaining(`✗ PostgreSQL: None of its hosts can be used: ${all}\n    ${what}\n`),
    });
    // The one that answers decides, but the other one may be the right one.
    const wrong = urlAt(postgres, dead[0], at(postgres)).replace(/:[^:@]*@/, ':wrong@');
    const refused = await doctor({ DATABASE_URL: wrong });
    expect(refused.stdout).toContain(
      `✗ PostgreSQL: None of its hosts can be used: ${deadReasons[0]}; ${at(postgres)}: password authentication failed for user`,
    );
  });

  it('says so for the admin, who must connect to the same server', async () => {
    const admin = await doctor({ ADMIN_DATABASE_URL: urlAt(postgres, ...dead) });
    expect(admin.stdout).toContain(`${deadReasons.join('; ')}\n    ADMIN_DATABASE_URL must name a running PostgreSQL`);
    const serving = await doctor({
      DATABASE_URL: urlAt(postgres, ...dead),
      ADMIN_DATABASE_URL: postgres.env.DATABASE_URL,
    });
    expect(serving.stdout).toContain(`✓ PostgreSQL`);
    expect(serving.stdout).toContain(`${deadReasons.join('; ')}\n    DATABASE_URL must name the same running server`);
    const two = await doctor({ ADMIN_DATABASE_URL: other.env.DATABASE_URL });
    expect(two).toMatchObject({
      exit: 1,
      stdout: expect.stringContaining('✗ ADMIN_DATABASE_URL and DATABASE_URL name different servers\n'),
    });
    const same = await doctor({ ADMIN_DATABASE_URL: postgres.env.DATABASE_URL });
    expect(same).toMatchObject({ exit: 0, stdout: expect.stringContaining('All is well') });
  });

  it('says so for a server that was added', async () => {
    const added = await command(['server', 'add', 'eu', urlAt(other, dead[0], at(other))]);
    expect(added).toMatchObject({ exit: 0, stderr: '' });
    const answering = await doctor();
    expect(answering).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/✓ The server eu answers\n.* The server eu: It has wal_level = minimal, .*\n/),
    });
    expect(answering.stdout).toMatch(/All else is well\.\n$/);
    await other.stop();
    const { exit, stdout } = await doctor();
    await other.restart();
    const reasons = `${deadReasons[0]}; ${at(other)}: connect ECONNREFUSED ${at(other)}`;
    expect({ exit, stdout }).toEqual({
      exit: 1,
      stdout: expect.stringContaining(`✗ The server eu: None of its hosts can be used: ${reasons}\n`),
    });
  });
});
