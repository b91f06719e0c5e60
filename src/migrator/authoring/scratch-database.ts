import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { createDatabase, dropDatabase } from '../../postgres/admin/databases.ts';
import { closeDatabaseSql } from '../../postgres/admin/roles.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../../postgres/sql/advisory-lock.ts';

/** Where scratch databases are made. */
export interface ScratchOptions {
  readonly server: PostgresServer;
  /** The name of the auth database, from which that of the scratch database is made. */
  readonly authDatabase: string;
}

/** Lends the owner's connection to an empty database, which is dropped afterwards. There is one at a time on a server. */
export function withScratchDatabase<T>(
  { server, authDatabase }: ScratchOptions,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const prefix = `${authDatabase}_check_`;
  const name = `${prefix}${randomBytes(6).toString('hex')}`;
  return server.admin((admin) =>
    withAdvisoryLock(admin, lockKind.check, 0, async () => {
      await dropLeftovers(admin, prefix);
      try {
        await createDatabase(admin, name);
        await admin.query(closeDatabaseSql(name, []));
        return await server.owner(name, use);
      } finally {
        await dropDatabase(admin, name);
      }
    }),
  );
}

/** What processes that were killed have left: the lock tells that none of them is under way. */
async function dropLeftovers(admin: pg.Client, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `SELECT datname FROM pg_database WHERE left(datname, length($1)) = $1 AND substr(datname, length($1) + 1) ~ '^[0-9a-f]{12}$'`,
    [prefix],
  );
  for (const { datname } of rows) await dropDatabase(admin, datname);
}
