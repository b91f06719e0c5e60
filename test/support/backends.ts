import pg from 'pg';
import { expect, vi } from 'vitest';
import { type TestPostgres, testApplication } from './start-postgres.ts';

/** Which backends clients have at this moment, the test's own ones left out. */
export async function backendsOf(postgres: TestPostgres): Promise<number[]> {
  const rows = await postgres.rows<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE ${isCounted}`);
  return rows.map(({ pid }) => pid);
}

/** Waits until these backends, and no others, are there. */
export async function expectBackends(postgres: TestPostgres, pids: readonly number[]): Promise<void> {
  const look = async () => expect((await backendsOf(postgres)).toSorted()).toEqual(pids.toSorted());
  await vi.waitFor(look, settling);
}

/** Connects a plain client whose backend is not counted. */
export async function connectTestClient(connection: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({ ...connection, application_name: testApplication });
  await client.connect();
  return client;
}

/** All that clients have, also while they log in and have no name yet. */
const isCounted = `backend_type = 'client backend' AND application_name IS DISTINCT FROM '${testApplication}'`;

/** How long to wait for what PostgreSQL does in a moment, on a busy machine. */
export const settling = { timeout: 20_000, interval: 5 };

/** Counts backends all the while, a thousand times a second, inside the server so that no other work delays it. */
export class BackendWatch implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #watching: Promise<void>;
  #stopped = false;
  #peak = 0;

  private constructor(client: pg.Client) {
    this.#client = client;
    this.#watching = this.#watch();
  }

  static async start(connection: pg.ClientConfig): Promise<BackendWatch> {
    const client = await connectTestClient(connection);
    await client.query(`
      CREATE FUNCTION pg_temp.peak() RETURNS int LANGUAGE plpgsql AS $$
      DECLARE
        highest int := 0;
        began timestamptz;
      BEGIN
        FOR i IN 1..50 LOOP
          PERFORM pg_stat_clear_snapshot();
          began := clock_timestamp();
          PERFORM FROM pg_stat_get_backend_idset();
          -- PostgreSQL copies the state of one backend after the other. When it is put to sleep in between, it sees some
          -- that have ended, and others that began only then; such a copy counts for nothing.
          IF clock_timestamp() - began < interval '0.5 ms' THEN
            highest := greatest(highest, (SELECT count(*) FROM pg_stat_activity WHERE ${isCounted}));
          END IF;
          PERFORM pg_sleep(0.001);
        END LOOP;
        RETURN highest;
      END $$`);
    return new BackendWatch(client);
  }

  /** Stops counting; gives the most backends that were there at once. */
  async peak(): Promise<number> {
    this.#stopped = true;
    await this.#watching;
    return this.#peak;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peak().finally(() => this.#client.end());
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      const { rows } = await this.#client.query<{ peak: number }>('SELECT pg_temp.peak() AS peak');
      this.#peak = Math.max(this.#peak, rows[0]?.peak ?? 0);
    }
  }
}
