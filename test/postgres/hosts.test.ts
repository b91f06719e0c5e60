import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseServerUrl } from '../../src/config/server-address.ts';
import { PostgresServer } from '../../src/postgres/server.ts';
import { sqlState } from '../../src/postgres/sql/error-codes.ts';
import { PlainPostgres } from '../support/plain-postgres.ts';

describe('a server with several hosts', () => {
  const stack = new AsyncDisposableStack();
  let primary: PlainPostgres;
  let replica: PlainPostgres;
  beforeAll(async () => {
    primary = stack.use(await PlainPostgres.start());
    await primary.rows('CREATE TABLE notes (text text)');
    await primary.rows('CREATE DATABASE quiet');
    replica = stack.use(await primary.startReplica());
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  function open(url: string): PostgresServer {
    const limits = { max: 5, reserved: 1, waitMs: 10_000, recycleMs: 3_600_000, idleMs: 60_000, systemPoolSize: 2 };
    return new PostgresServer('test', parseServerUrl(url), { ...limits, log: pino({ level: 'silent' }) });
  }
  const portOf = async (server: PostgresServer) => {
    const { rows } = await server.admin((client) => client.query<{ port: string }>('SHOW port'));
    return Number(rows[0]?.port);
  };
  const write = (server: PostgresServer) => server.admin((client) => client.query(`INSERT INTO notes VALUES ('x')`));

  it('is used where it is the primary, whatever the order', async () => {
    for (const url of [primary.urlWith(replica), replica.urlWith(primary)]) {
      await using server = open(url);
      expect(await portOf(server)).toBe(primary.place.port);
      expect(server.host).toEqual({ host: '127.0.0.1', port: primary.place.port });
    }
  });

  it('does not answer while there are only standbys, and says so', async () => {
    await using server = open(replica.urlWith());
    const error = await portOf(server).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'SERVER_BUSY',
      cause: { message: 'It is a read-only standby; use the URL of its primary' },
    });
    expect(server.isDown).toBe(true);
  });

  it('names each host that cannot be used', async () => {
    await using server = open(`postgres://postgres:plain@127.0.0.1:1,${replica.at}/postgres`);
    const error = await portOf(server).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'SERVER_BUSY',
      cause: { message: expect.stringMatching(/127\.0\.0\.1:1: .*ECONNREFUSED.*; .*standby/) },
    });
  });

  it('refuses a wrong password as one host does', async () => {
    await using server = open(`postgres://postgres:wrong@${primary.at},127.0.0.1:1/postgres`);
    await expect(portOf(server)).rejects.toMatchObject({ code: sqlState.invalidPassword });
    expect(server.isDown).toBe(false);
  });

  it('is left for another host when it refuses a change, if any host is accepted', async () => {
    await using server = open(`${replica.urlWith(primary)}&target_session_attrs=any`);
    expect(await portOf(server)).toBe(replica.place.port);
    await expect(write(server)).rejects.toMatchObject({ code: sqlState.readOnlySqlTransaction });
    await write(server);
    expect(await portOf(server)).toBe(primary.place.port);
  });

  it('with target_session_attrs=read-write is not used for a database that only reads, and for others it is', async () => {
    await using server = open(`${primary.urlWith(replica)}&target_session_attrs=read-write`);
    await primary.rows('ALTER DATABASE quiet SET default_transaction_read_only = on');
    const inQuiet = server.owner('quiet', (client) => client.query('SELECT'));
    await expect(inQuiet).rejects.toMatchObject({ code: sqlState.readOnlySqlTransaction });
    await write(server);
    expect(server.isDown).toBe(false);
  });

  it('is found again after its replica was promoted', async () => {
    await using server = open(primary.urlWith(replica));
    await write(server);
    await primary.kill();
    // Its processes notice only after a moment that they are to end.
    await expect
      .poll(() =>
        write(server).then(
          () => 'written',
          () => 'failed',
        ),
      )
      .toBe('failed');
    await replica.promote();
    await expect.poll(() => write(server).then(({ rowCount }) => rowCount, String), { timeout: 20_000 }).toBe(1);
    expect(server.host).toEqual({ host: '127.0.0.1', port: replica.place.port });
  });
});
