import type pg from 'pg';
import { PgBoss } from 'pg-boss';

/** A job that waits to be done. */
export interface NewJob<T> {
  /** A UUID, by which it can be removed. */
  readonly id: string;
  readonly data: T;
  /** Jobs with a higher number are claimed first. */
  readonly priority: number;
  /** What it belongs to, by which it can be left to others. */
  readonly groupId: string;
  /** How long it is kept back, in milliseconds by PostgreSQL's clock, since machines disagree; without it not at all. */
  readonly delayMs?: number | undefined;
}

/** A job that somebody has claimed. */
export interface ClaimedJob<T> {
  readonly id: string;
  readonly data: T;
}

/** The schema that the queue's tables are in. */
export const jobsSchema = 'jobs';

/** What pg-boss does by itself is switched off: who has died is told by advisory locks, and jobs that are done are removed. */
const passive = { schema: jobsSchema, supervise: false, schedule: false } as const;

/**
 * Makes the queue's tables, or brings them forward to the installed version of pg-boss.
 * @param owner the owner's connection to `auth`
 */
export async function installJobQueue(owner: pg.Client, name: string): Promise<void> {
  const boss = new PgBoss({ ...passive, db: databaseOf(owner), migrate: true });
  await boss.start();
  await boss.createQueue(name);
  await boss.stop({ graceful: false });
  await keepInOrder(owner);
}

/** pg-boss has no index in the order in which it fetches: each fetch would sort all jobs that wait. */
async function keepInOrder(owner: pg.Client): Promise<void> {
  const index = 'job_common_fetch_order_idx';
  const { rows } = await owner.query<{ there: boolean }>(
    `SELECT to_regclass('${jobsSchema}.${index}') IS NOT NULL AS there`,
  );
  // IF NOT EXISTS would wait for the transactions of other processes each time.
  if (rows[0]?.there) return;
  await owner.query(`CREATE INDEX ${index} ON ${jobsSchema}.job_common (name, priority DESC, created_on, id)
    WHERE state < 'active' AND NOT blocked`);
}

/**
 * A queue of jobs in `auth`. Everything happens on the caller's connection, inside its transaction: a job is added, claimed
 * or removed together with the rows that it is about, or not at all.
 * @see https://timgit.github.io/pg-boss
 */
export class JobQueue<T extends object> implements AsyncDisposable {
  readonly #name: string;
  readonly #boss: PgBoss;

  private constructor(name: string, boss: PgBoss) {
    this.#name = name;
    this.#boss = boss;
  }

  /** @param use lends a connection to `auth`, for reading what queues there are */
  static async open<T extends object>(
    name: string,
    use: <R>(work: (client: pg.Client) => Promise<R>) => Promise<R>,
  ): Promise<JobQueue<T>> {
    const db = { executeSql: (text: string, values?: unknown[]) => use((client) => client.query(text, values)) };
    const boss = new PgBoss({ ...passive, db, migrate: false });
    // What it reads again now and then it can do without, so that a failure matters to nobody.
    boss.on('error', () => undefined);
    await boss.start();
    return new JobQueue<T>(name, boss);
  }

  /** Adds jobs. */
  async add(client: pg.Client, jobs: readonly NewJob<T>[]): Promise<void> {
    if (jobs.length === 0) return;
    const rows = jobs.map(({ delayMs, ...job }) => ({ ...job, ...(delayMs && { startAfter: delayMs / 1000 }) }));
    await this.#boss.insert(this.#name, rows, { db: databaseOf(client) });
  }

  /**
   * Claims up to `count` jobs, which nobody else gets then.
   * @param except groups whose jobs are left to others
   */
  async claim(client: pg.Client, count: number, except: readonly string[] = []): Promise<readonly ClaimedJob<T>[]> {
    // PostgreSQL, which knows the queue as it was some time ago and often empty, would rather sort all jobs than use the index.
    await client.query('SET LOCAL enable_sort = off');
    return this.#boss.fetch<T>(this.#name, { batchSize: count, ignoreGroups: [...except], db: databaseOf(client) });
  }

  /** Removes jobs, claimed or not; those that are gone already do not matter. */
  async remove(client: pg.Client, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#boss.deleteJob(this.#name, [...ids], { db: databaseOf(client) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#boss.stop({ graceful: false });
  }
}

function databaseOf(client: pg.Client) {
  return { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
}
