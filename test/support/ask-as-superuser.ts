import pg from 'pg';
import type { TestApp } from './start-app.ts';
import { superuser } from './start-cluster.ts';

/**
 * Asks as the superuser of the PostgreSQL server of an installation, whose own role may be another one. The superuser has the same
 * password, unless the test has given the installation a role of its own.
 */
export async function askAsSuperuser<Row extends pg.QueryResultRow>(
  { services }: TestApp,
  sql: string,
  values: unknown[] = [],
  database = 'postgres',
): Promise<Row[]> {
  const address = services.servers.get('default')?.address;
  if (!address) throw new Error('There is no server');
  const { host, port, password } = address;
  const client = new pg.Client({ host, port, password, user: superuser, database });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
