import { expect } from 'vitest';
import { Fleet } from './fleet.ts';

/** A fleet of a tenant of each isolation, with tables whose rows backfills change. */
export class BackfillFleet implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly slugs = ['own-database', 'own-schema'] as const;
  #count = 0;

  private constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  static async start(): Promise<BackfillFleet> {
    // Batches that take longer than this are made smaller, so that there are many.
    const fleet = await Fleet.start({ BACKFILL_BATCH_MS: '10' });
    await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA' });
    return new BackfillFleet(fleet);
  }

  /** A name for the next migration. */
  next(word: string): string {
    this.#count += 1;
    return `2027010100${String(this.#count).padStart(4, '0')}_${word}`;
  }

  /** Adds a table with rows, whose number of changes is counted, to all tenants; returns its name. */
  async addTable(rows: number, key = 'id bigint PRIMARY KEY', columns = 'n'): Promise<string> {
    this.#count += 1;
    const table = `items_${this.#count}`;
    await this.fleet.migrations.addReversible(
      this.next('table'),
      `CREATE TABLE ${table} (${key}, changes int NOT NULL DEFAULT 0)`,
      `DROP TABLE ${table}`,
    );
    expect(await this.fleet.run()).toMatchObject({ status: 'SUCCEEDED' });
    for (const slug of this.slugs) {
      await this.fleet.inTenant(slug, `INSERT INTO ${table} SELECT ${columns} FROM generate_series(1, ${rows}) n`);
    }
    return table;
  }

  /** Adds a backfill of all rows of a table; returns its name. */
  async backfill(table: string, set = 'changes = changes + 1', body?: string): Promise<string> {
    const name = this.next('backfill');
    await this.fleet.migrations.addBackfill(name, table, `UPDATE ${table} SET ${set} WHERE KEYS`, body);
    return name;
  }

  /** How many rows of a table were changed how often. */
  changesOf(slug: string, table: string): Promise<{ changes: number; rows: number }[]> {
    return this.fleet.inTenant<{ changes: number; rows: number }>(
      slug,
      `SELECT changes, count(*)::int AS rows FROM ${table} GROUP BY changes ORDER BY changes`,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.fleet[Symbol.asyncDispose]();
  }
}
