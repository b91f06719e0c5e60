import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, it } from 'vitest';
import { quoteIdentifier } from '../../../src/postgres/sql/quote.ts';
import { eventually } from '../../support/eventually.ts';
import { Fleet } from '../../support/fleet.ts';
import { startTestPostgres } from '../../support/start-postgres.ts';

it('a backfill waits while a replica is far behind', async () => {
  await using postgres = await startTestPostgres({ wal_level: 'replica', max_wal_senders: '2' });
  // Others may not see where a replica is, as docs/operators.md says.
  await postgres.rows(`GRANT pg_read_all_stats TO ${quoteIdentifier(new URL(postgres.env.DATABASE_URL).username)}`);
  await using fleet = await Fleet.start(postgres.env);
  await fleet.createTenants({ alone: 'DATABASE' });
  await fleet.migrations.add(
    '20270101000000_items',
    'CREATE TABLE items (id int PRIMARY KEY, changes int NOT NULL DEFAULT 0)',
  );
  await fleet.run();
  await fleet.inTenant('alone', 'INSERT INTO items SELECT generate_series(1, 500)');
  await fleet.migrations.addBackfill(
    '20270101000001_fill',
    'items',
    'UPDATE items SET changes = changes + 1 WHERE KEYS',
  );
  await using replica = await Replica.start(postgres.connection);
  replica.report(await lsn(postgres));
  await fleet.inTenant(
    'alone',
    `CREATE TABLE much AS SELECT repeat(md5(n::text), 40) AS t FROM generate_series(1, 40000) n`,
  );
  const run = await fleet.startRun();
  const changed = async () => (await fleet.inTenant('alone', 'SELECT FROM items WHERE changes > 0')).length;
  await sleep(2_000);
  expect(await changed()).toBe(0);
  replica.report(await lsn(postgres));
  await eventually('the backfill goes on', async () => (await changed()) === 500);
  await fleet.events(run);
  expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED' });
});

async function lsn({
  rows,
}: {
  rows: <Row extends pg.QueryResultRow>(sql: string) => Promise<Row[]>;
}): Promise<bigint> {
  const [row] = await rows<{ lsn: string }>(`SELECT (pg_current_wal_lsn() - '0/0')::text AS lsn`);
  return BigInt(row?.lsn ?? 0);
}

/** The part of node-postgres's connection that its types do not declare. */
interface ReplicationConnection extends pg.Connection {
  sendCopyFromChunk(chunk: Buffer): void;
}

/**
 * A client that receives PostgreSQL's log as a replica does, throws it away, and reports what it likes.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html
 */
class Replica implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #connection: ReplicationConnection;

  private constructor(client: pg.Client) {
    this.#client = client;
    // The types of node-postgres leave it out.
    this.#connection = Reflect.get(client, 'connection') as ReplicationConnection;
  }

  static async start(connection: pg.ClientConfig): Promise<Replica> {
    // The types leave it out too.
    const client = new pg.Client({ ...connection, replication: 'true' } as pg.ClientConfig);
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ xlogpos: string }>('IDENTIFY_SYSTEM');
    const replica = new Replica(client);
    const started = new Promise((resolve) => replica.#connection.once('replicationStart', resolve));
    const ended = client.query(`START_REPLICATION PHYSICAL ${rows[0]?.xlogpos}`);
    ended.catch(() => undefined);
    await Promise.race([started, ended]);
    return replica;
  }

  /** Reports that everything up to a position is written and replayed. */
  report(position: bigint): void {
    const message = Buffer.alloc(34);
    message.write('r');
    for (const offset of [1, 9, 17]) message.writeBigInt64BE(position, offset);
    this.#connection.sendCopyFromChunk(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.stream.destroy();
    await this.#client.end().catch(() => undefined);
  }
}
