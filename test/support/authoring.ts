import { readFile } from 'node:fs/promises';
import type { EntitySchema } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { migrateDatabase } from '../../src/migrator/apply/apply.ts';
import { checkMigrations, type Finding } from '../../src/migrator/authoring/check.ts';
import { type NewMigration, remakeSnapshot, writeMigration } from '../../src/migrator/authoring/generate.ts';
import { entityTables } from '../../src/migrator/diff/entity-tables.ts';
import { createHistorySql, historyTable } from '../../src/migrator/files/history.ts';
import { MigrationFolder } from '../../src/migrator/files/migration-folder.ts';
import type { Pool } from '../../src/postgres/pool/pool.ts';
import type { PostgresServer } from '../../src/postgres/server.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { type MigrationDir, makeMigrationDir } from './migration-dir.ts';
import { startTestApp, type TestApp } from './start-app.ts';

/** The schemas of a tenant with a database and of one with a schema. */
const schemas = ['public', 'tenant_0123456789'] as const;

/** A migration that was written, with its text. */
export interface WrittenMigration extends NewMigration {
  readonly text: string;
  /** The messages about the snapshot. */
  readonly remade: readonly string[];
}

/** A PostgreSQL for products that are written in tests. */
export class AuthoringServer implements AsyncDisposable {
  readonly #app: TestApp;
  #count = 0;

  private constructor(app: TestApp) {
    this.#app = app;
  }

  static async start(): Promise<AuthoringServer> {
    return new AuthoringServer(await startTestApp());
  }

  get server(): PostgresServer {
    const server = this.#app.services.servers.get('default');
    if (!server) throw new Error('There is no server');
    return server;
  }

  /** A product without migrations, with one tenant of each isolation. */
  async product(): Promise<AuthoredProduct> {
    this.#count += 1;
    const database = `authored_${this.#count}`;
    await this.server.admin((admin) => admin.query(`CREATE DATABASE ${quoteIdentifier(database)}`));
    const dirs = [await makeMigrationDir({ empty: true }), await makeMigrationDir({ empty: true })] as const;
    return new AuthoredProduct(this.server, database, ...dirs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app[Symbol.asyncDispose]();
  }
}

/** The migrations of a product whose entities a test changes. */
export class AuthoredProduct implements AsyncDisposable {
  readonly migrations: MigrationDir;
  readonly #common: MigrationDir;
  readonly #server: PostgresServer;
  readonly #pool: Pool;
  #prepared = false;

  constructor(server: PostgresServer, database: string, migrations: MigrationDir, common: MigrationDir) {
    this.#server = server;
    this.#pool = server.pool({ database, max: 1, priority: 'tenant' });
    this.migrations = migrations;
    this.#common = common;
  }

  #tables(entities: readonly EntitySchema[]) {
    return entityTables(entities, { ignored: [historyTable], compare: 'all' });
  }

  get folder(): MigrationFolder {
    return new MigrationFolder(this.migrations.path, 'TENANT');
  }

  get #scratch() {
    return { server: this.#server, authDatabase: 'auth', lockTimeoutMs: 2_000 };
  }

  /** What `migrate new` does. */
  async write(entities: readonly EntitySchema[], title = 'change'): Promise<WrittenMigration> {
    const line = { folder: this.folder, tables: this.#tables(entities) };
    const remade: string[] = [];
    const written = await writeMigration(line, title, (reason) => {
      remade.push(reason);
      return remakeSnapshot(line, new MigrationFolder(this.#common.path, 'COMMON'), this.#scratch);
    });
    return { ...written, remade, text: await readFile(written.file, 'utf8') };
  }

  /** What `migrate snapshot` does. */
  async remakeSnapshot(entities: readonly EntitySchema[]): Promise<void> {
    const line = { folder: this.folder, tables: this.#tables(entities) };
    await remakeSnapshot(line, new MigrationFolder(this.#common.path, 'COMMON'), this.#scratch);
  }

  /** What `migrate check` does. */
  check(entities: readonly EntitySchema[]): Promise<readonly Finding[]> {
    return checkMigrations({ ...this.#scratch, lines: [{ folder: this.folder, tables: this.#tables(entities) }] });
  }

  /** The drift of both tenants. */
  async drift(entities: readonly EntitySchema[]): Promise<readonly string[]> {
    const tables = this.#tables(entities);
    return this.#inEach(async (client, schema) => {
      // Twice, because the words of PostgreSQL are kept.
      const first = await tables.differences(client, schema);
      return [...first, ...(await tables.differences(client, schema)).filter((sql) => !first.includes(sql))];
    });
  }

  /** Migrates both tenants to the newest version, or takes some migrations back. */
  async migrate(down?: number): Promise<void> {
    const files = await this.folder.read();
    await this.#inEach(async (client, schema) => {
      if (!this.#prepared && schema !== 'public') await client.query(`CREATE SCHEMA ${quoteIdentifier(schema)}`);
      if (!this.#prepared) await client.query(createHistorySql(schema, 'TENANT'));
      const options = { scope: 'TENANT', schema, files, lockTimeoutMs: 2_000 } as const;
      await migrateDatabase(
        client,
        down === undefined ? options : { ...options, down: { kind: 'steps', steps: down } },
      );
      return [];
    });
    this.#prepared = true;
  }

  /** Sends SQL to both tenants, and gives the rows of the last statement. */
  query(sql: string): Promise<readonly string[]> {
    return this.#inEach(async (client, schema) => {
      const sent: unknown = await client.query(`SET search_path = ${quoteIdentifier(schema)}; ${sql}`);
      const results = sent as readonly pg.QueryResult[];
      return (results.at(-1)?.rows ?? []).map((row) => JSON.stringify(row));
    });
  }

  async #inEach(work: (client: pg.Client, schema: string) => Promise<readonly string[]>): Promise<readonly string[]> {
    const found: string[] = [];
    for (const schema of schemas) {
      const inSession = async (client: pg.Client) => {
        // As new as another connection, which would cost more than what is done with it.
        await client.query('DISCARD ALL');
        return work(client, schema);
      };
      found.push(...(await this.#pool.use(inSession)));
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.migrations[Symbol.asyncDispose]();
    await this.#common[Symbol.asyncDispose]();
  }
}
