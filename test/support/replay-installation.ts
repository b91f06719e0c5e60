import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import type { TestPostgres } from './start-postgres.ts';

/** A line of a recording: a statement, or the end of a connection. */
interface Recorded {
  readonly client: string;
  readonly database: string;
  readonly text: string;
  readonly values?: unknown[];
  /** The ids in its results, in order. */
  readonly ids?: readonly string[];
  readonly end?: true;
}

const uuid = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g;
const installations = path.join(import.meta.dirname, '../fixture/installations');

/** A folder of `fixture/installations`, with migrations of recorded installations. */
export type RecordedMigrations = 'migrations' | 'later-migrations' | 'with-common' | 'common';

/** The path of migrations of recorded installations. */
export function recordedMigrations(name: RecordedMigrations): string {
  return path.join(installations, name);
}

/**
 * Makes the installation that an earlier version made: sends what that version sent, on as many connections and in the same
 * order. `scripts/record-installation.ts` records it.
 * @param commit the version
 */
export async function replayInstallation(postgres: TestPostgres, commit: string): Promise<void> {
  const lines = (await readFile(path.join(installations, `${commit}.jsonl`), 'utf8')).trim().split('\n');
  const clients = new Map<string, pg.Client>();
  /** The ids that PostgreSQL makes up now, by those that it made up then. */
  const made = new Map<string, string>();
  try {
    for (const line of lines) {
      const now = line.replace(uuid, (id) => made.get(id) ?? id);
      // The script has written it in this shape.
      const { client, database, text, values, ids = [], end } = JSON.parse(now) as Recorded;
      if (end) {
        await clients.get(client)?.end();
        clients.delete(client);
        continue;
      }
      // Whoever was connected when a process ended is gone when the next one begins.
      const [pid] = client.split('.');
      for (const [other, its] of clients) {
        if (other.startsWith(`${pid}.`)) continue;
        await its.end();
        clients.delete(other);
      }
      const known = clients.get(client);
      const on = known ?? new pg.Client({ connectionString: postgres.url(database) });
      if (!known) {
        clients.set(client, on);
        await on.connect();
      }
      const results: unknown = await on.query(text, values);
      // node-postgres returns an array for several statements, which its types don't express.
      const rows = [results as pg.QueryResult | pg.QueryResult[]].flat().map((result) => result.rows);
      const found = JSON.stringify(rows).match(uuid) ?? [];
      for (const [index, id] of ids.entries()) made.set(id, found[index] ?? id);
    }
  } finally {
    await Promise.all([...clients.values()].map((client) => client.end()));
  }
}
