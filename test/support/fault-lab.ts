import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from './eventually.ts';
import { Fleet } from './fleet.ts';
import type { HttpClient } from './http-client.ts';
import { durableSequences } from './postgres-settings.ts';
import { type OwnProcess, type ServerProcess, startServer, startWorker } from './server-process.ts';
import { startInstalledPostgres, type TestPostgres } from './start-postgres.ts';

/** How many tenants of each kind a lab has. */
export interface LabSize {
  readonly schemas: number;
  readonly databases: number;
}

/** Each round leaves a table in every tenant, so rounds and their audits take longer and longer. */
const MAX_ROUNDS = 50;

/**
 * One PostgreSQL, a fleet of tenants, and processes that work on runs and can be killed. The test's own process only asks:
 * it carries out nothing.
 */
export class FaultLab implements AsyncDisposable {
  readonly postgres: TestPostgres;
  readonly fleet: Fleet;
  readonly slugs: readonly string[];
  readonly #env: Record<string, string>;
  readonly #workers = new Set<OwnProcess>();
  readonly #servers = new Set<OwnProcess>();
  readonly #parts: AsyncDisposable;
  #rounds = 0;

  private constructor(
    postgres: TestPostgres,
    fleet: Fleet,
    slugs: readonly string[],
    env: Record<string, string>,
    parts: AsyncDisposable,
  ) {
    this.postgres = postgres;
    this.fleet = fleet;
    this.slugs = slugs;
    this.#env = env;
    this.#parts = parts;
  }

  /** Starts it; `settings` are those of all processes. */
  static async start(size: LabSize, settings: Record<string, string> = {}): Promise<FaultLab> {
    await using stack = new AsyncDisposableStack();
    const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-lab-'));
    stack.defer(() => rm(dataDir, { recursive: true, force: true }));
    const postgres = stack.use(await startInstalledPostgres(durableSequences));
    const shared = { ...postgres.env, MIGRATION_CONCURRENCY: '4', ...settings };
    const fleet = stack.use(await Fleet.start({ ...shared, WORKER: 'off' }));
    // In it each migration of a round leaves a row each time it runs.
    await fleet.migrations.add('20270101000000_log', 'CREATE TABLE migration_log (name text)');
    const slugs: string[] = [];
    for (let index = 1; index <= size.schemas + size.databases; index += 1) {
      const slug = `tenant-${String(index).padStart(3, '0')}`;
      // Those with a database of their own are spread over the others.
      const isDatabase =
        Math.floor((index * size.databases) / (size.schemas + size.databases)) >
        slugs.filter((other) => other.endsWith('-db')).length;
      slugs.push(isDatabase ? `${slug}-db` : slug);
      await fleet.createTenants({ [slugs.at(-1) ?? '']: isDatabase ? 'DATABASE' : 'SCHEMA' });
    }
    const env = {
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      GRAPHIQL: 'false',
      DATA_DIR: dataDir,
      TENANT_MIGRATIONS_DIR: fleet.migrations.path,
      ...shared,
    };
    return new FaultLab(postgres, fleet, slugs, env, stack.move());
  }

  /** Gives the same lab until it has had many rounds, and a new one in its place then. */
  static async fresh(lab: FaultLab | undefined, size: LabSize): Promise<FaultLab> {
    if (lab && lab.#rounds < MAX_ROUNDS) return lab;
    await lab?.[Symbol.asyncDispose]();
    return FaultLab.start(size);
  }

  /** The worker processes that run at this moment. */
  get workers(): readonly OwnProcess[] {
    return [...this.#workers].filter((worker) => worker.isAlive());
  }

  /** Starts one more worker process. */
  async startWorker(settings: Record<string, string> = {}): Promise<OwnProcess> {
    const worker = await startWorker({ ...this.#env, ...settings });
    this.#workers.add(worker);
    return worker;
  }

  /** Starts a server process; gives it with a way to ask it. */
  async startServer(settings: Record<string, string> = {}): Promise<ServerProcess & HttpClient> {
    const server = startServer({ ...this.#env, ...settings });
    this.#servers.add(server);
    return { ...server, ...(await server.listening()) };
  }

  /** Starts as many workers as are missing, or ends what is too much. */
  async keepWorkers(count: number): Promise<readonly OwnProcess[]> {
    await Promise.all(this.workers.slice(count).map((worker) => worker.end('SIGTERM')));
    const missing = Math.max(0, count - this.workers.length);
    await Promise.all(Array.from({ length: missing }, () => this.startWorker()));
    return this.workers;
  }

  /** Adds a migration that makes a table, takes some milliseconds and leaves a row in `migration_log`; gives its name. */
  async addRound(...statements: readonly string[]): Promise<string> {
    this.#rounds += 1;
    const round = String(this.#rounds).padStart(6, '0');
    const name = `20270102${round}_round`;
    await this.fleet.migrations.add(
      name,
      `CREATE TABLE round_${round} (id int)`,
      'SELECT pg_sleep(0.01 + random() * 0.03)',
      ...statements,
      `INSERT INTO migration_log VALUES ('${name}')`,
    );
    return name;
  }

  /** Adds a migration that is not transactional, and builds an index that has the number of the next round. */
  async addIndex(): Promise<void> {
    const round = String(this.#rounds + 1).padStart(6, '0');
    await this.fleet.migrations.addClass(
      `20270102${round}_index`,
      `isTransactional() { return false; }
       up() { this.addSql('CREATE INDEX CONCURRENTLY index_${round} ON products (stock)'); }
       down() { this.addSql('DROP INDEX CONCURRENTLY index_${round}'); }`,
    );
  }

  /** Waits until a run has ended, although the process that is asked may have lost its connections as well. */
  async ended(run: string): Promise<void> {
    await eventually('the run ends', async () => {
      const ended = await this.fleet
        .inCatalog<{ ended: boolean }>(
          'SELECT ended_at IS NOT NULL AS ended FROM migration_runs WHERE id = $1',
          [run],
          // It answers again in a moment.
        )
        .catch(() => []);
      return ended[0]?.ended;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#workers, ...this.#servers].map((each) => each.end('SIGKILL')));
    await this.#parts[Symbol.asyncDispose]();
  }
}
