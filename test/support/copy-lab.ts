import { pino } from 'pino';
import type { CopyPlace } from '../../src/copying/place.ts';
import { PostgresServer } from '../../src/postgres/server.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { expectBackends } from './backends.ts';
import { startTestPostgres, type TestPostgres } from './start-postgres.ts';

/** A database or schema to copy from or to. */
export interface LabPlace extends CopyPlace {
  /** Runs SQL there as the owner, with its schema as the search path. */
  rows<Row extends object>(sql: string): Promise<Row[]>;
}

/** One PostgreSQL server with places to copy. */
class LabServer implements AsyncDisposable {
  readonly postgres: TestPostgres;
  readonly server: PostgresServer;
  #places = 0;

  private constructor(postgres: TestPostgres, server: PostgresServer) {
    this.postgres = postgres;
    this.server = server;
  }

  static async start(name: string, settings: Record<string, string>): Promise<LabServer> {
    const postgres = await startTestPostgres(settings);
    const server = new PostgresServer(name, postgres.address, {
      max: 40,
      reserved: 1,
      waitMs: 10_000,
      recycleMs: 3_600_000,
      idleMs: 60_000,
      systemPoolSize: 2,
      log: pino({ level: 'silent' }),
    });
    await postgres.rows('CREATE DATABASE shared');
    return new LabServer(postgres, server);
  }

  /** Makes an empty place with the schema `common` beside it, and runs SQL in it. */
  async make(isolation: 'DATABASE' | 'SCHEMA', sql = ''): Promise<LabPlace> {
    this.#places += 1;
    const [database, schema] =
      isolation === 'DATABASE' ? [`db_${this.#places}`, 'public'] : ['shared', `tenant_${this.#places}`];
    if (isolation === 'DATABASE') await this.postgres.rows(`CREATE DATABASE ${database} TEMPLATE template0`);
    const pool = this.server.pool({ database, max: 12, priority: 'tenant', keepIdle: false });
    const rows = <Row extends object>(text: string) =>
      pool.use(async (client) => {
        await client.query(`SET search_path = ${quoteIdentifier(schema)}, common`);
        return (await client.query<Row & Record<string, unknown>>(text)).rows;
      });
    const common = `CREATE SCHEMA IF NOT EXISTS common; CREATE EXTENSION IF NOT EXISTS citext SCHEMA common;`;
    await rows(`${common} CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)}`);
    if (sql) await rows(sql);
    return { database, schema, rows, use: (work, signal) => pool.use(work, signal) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await expectBackends(this.postgres, []);
    await this.postgres[Symbol.asyncDispose]();
  }
}

/** Two PostgreSQL servers with places to copy. At the end no connection of the copies may be left. */
export class CopyLab implements AsyncDisposable {
  readonly one: LabServer;
  readonly other: LabServer;

  private constructor(one: LabServer, other: LabServer) {
    this.one = one;
    this.other = other;
  }

  static async start(settings: Record<string, string> = {}): Promise<CopyLab> {
    const [one, other] = await Promise.all([LabServer.start('one', settings), LabServer.start('other', settings)]);
    return new CopyLab(one, other);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.one[Symbol.asyncDispose]();
    await this.other[Symbol.asyncDispose]();
  }
}

/** The table of a history, and its first migration. */
export const historySql = `
  CREATE TABLE migration_history (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, cursor jsonb);
  INSERT INTO migration_history (name) VALUES ('20260101000000_first')`;
