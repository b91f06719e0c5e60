import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endSessions } from '../../../src/postgres/admin/end-sessions.ts';
import { disallowConnections } from '../../../src/postgres/admin/replace-database.ts';
import { eventually } from '../../support/eventually.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';

let postgres: TestPostgres;
let admin: pg.Client;
beforeAll(async () => {
  postgres = await startTestPostgres();
  await postgres.createRole('tenant', 'secret');
  admin = await postgres.connect();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const ofTenant = { which: 'usename = $1', values: ['tenant'] };

/** A session of the tenant, and whether it has ended. */
async function connect(database = 'postgres') {
  const client = new pg.Client({ connectionString: postgres.url(database, 'tenant', 'secret') });
  let hasEnded = false;
  client.on('error', () => undefined);
  client.once('end', () => {
    hasEnded = true;
  });
  await client.connect();
  return { database, query: (sql: string) => client.query(sql), hasEnded: () => hasEnded };
}

type Session = Awaited<ReturnType<typeof connect>>;

const LOCK = 7;

/** Runs a statement that goes on until the answer is asked for. The answer is the error's message, if there is one. */
async function beginStatement(session: Session): Promise<() => Promise<unknown>> {
  const holder = await postgres.connect(session.database);
  await holder.query(`SELECT pg_advisory_lock(${LOCK})`);
  const answer = session
    .query(`SELECT 1 AS done FROM pg_advisory_lock_shared(${LOCK})`)
    .then(({ rows }) => rows, String);
  await eventually('it runs', async () => {
    const waiting = await postgres.rows(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`);
    return waiting.length === 1;
  });
  return async () => {
    await holder.end();
    return answer;
  };
}

const sessions = () => postgres.rows(`SELECT FROM pg_stat_activity WHERE usename = 'tenant'`);
const untilEnded = ({ hasEnded }: Session) => eventually('it has ended', async () => hasEnded());
const done = [{ done: 1 }];

describe('endSessions', () => {
  it('ends idle sessions at once, and lets a statement finish that runs', async () => {
    const [busy, idle] = [await connect(), await connect()];
    const finish = await beginStatement(busy);
    const ending = endSessions(admin, ofTenant, 60_000);
    await untilEnded(idle);
    expect(busy.hasEnded()).toBe(false);
    expect(await finish()).toEqual(done);
    await ending;
    expect(await sessions()).toEqual([]);
  });

  it('lets a transaction finish that is between two statements', async () => {
    const [busy, idle] = [await connect(), await connect()];
    await busy.query('BEGIN');
    const ending = endSessions(admin, ofTenant, 60_000);
    await untilEnded(idle);
    await busy.query('COMMIT');
    await ending;
    expect(await sessions()).toEqual([]);
  });

  it('ends what is still running after its time', async () => {
    const busy = await connect();
    const finish = await beginStatement(busy);
    await endSessions(admin, ofTenant, 50);
    expect(await sessions()).toEqual([]);
    expect(await finish()).toContain('terminating connection due to administrator command');
  });
});

describe('disallowConnections', () => {
  beforeAll(() => postgres.rows('CREATE DATABASE one OWNER tenant'));

  it('lets a statement finish that runs, and nobody connect', async () => {
    const [busy, idle] = [await connect('one'), await connect('one')];
    const finish = await beginStatement(busy);
    const closing = disallowConnections(admin, 'one', 'tenant', 60_000);
    await untilEnded(idle);
    await expect(connect('one')).rejects.toThrow('not currently accepting connections');
    expect(await finish()).toEqual(done);
    await closing;
    expect(await sessions()).toEqual([]);
  });
});
