import type pg from 'pg';
import type { PostgresServer } from '../postgres/server.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/sql/quote.ts';
import { installationRoles } from '../routing/placement.ts';
import { howToFix, type Leftover } from './leftover.ts';

/** A copy of a tenant's database that the catalog lists. */
export interface KnownCopy {
  readonly server: string;
  readonly database: string;
  /** Undefined for a copy that is being made. */
  readonly checkpoint: { readonly id: string; readonly name: string } | undefined;
}

/** @param client a connection to `auth` */
export async function readCheckpoints(client: pg.Client): Promise<readonly KnownCopy[]> {
  const { rows } = await client.query<{ server: string; database: string; id: string | null; name: string | null }>(
    `SELECT server, database, CASE WHEN building_by IS NULL THEN id END AS id, name FROM checkpoints
     UNION ALL
     SELECT t.server, m.copy || ending, NULL, NULL
     FROM tenant_maintenances m JOIN tenants t ON t.id = m.tenant_id, unnest(ARRAY['', '_old']) AS ending`,
  );
  return rows.map(({ id, name, ...copy }) => ({
    ...copy,
    checkpoint: id === null ? undefined : { id, name: name ?? '' },
  }));
}

/** Compares the catalog's checkpoints with the copies on their server. */
export async function compareCheckpoints(
  server: PostgresServer,
  known: readonly KnownCopy[],
  { first, databases: { auth } }: { readonly first: string; readonly databases: { readonly auth: string } },
): Promise<Leftover[]> {
  const { copies, shared } = await server.admin((admin) => readCopies(admin, auth));
  const expected = new Set(known.map(({ database }) => database));
  const lost = known.filter(({ database, checkpoint }) => checkpoint && !copies.has(database));
  // A copy does not name its installation. If another installation uses the server too, the copy may belong to that one.
  const orphans = shared ? [] : [...copies].filter((database) => !expected.has(database));
  return [
    ...lost.flatMap(({ database, checkpoint }): Leftover[] => {
      if (!checkpoint) return [];
      return [
        {
          message: `The database ${database} of the checkpoint ${checkpoint.name} (${checkpoint.id}) is missing on the server ${server.name}`,
          remedy: howToFix,
          fix: {
            server: first,
            databases: [auth],
            sql: `DELETE FROM checkpoints WHERE id = ${quoteLiteral(checkpoint.id)}`,
          },
        },
      ];
    }),
    ...orphans.map((database) => ({
      message: `The database ${database} on the server ${server.name} is a copy of a tenant's database, but belongs to no checkpoint`,
      remedy: `If nobody needs its data: DROP DATABASE ${quoteIdentifier(database)}`,
    })),
  ];
}

/** Reads the copies on a server, and whether another installation has tenants there. */
async function readCopies(admin: pg.Client, auth: string) {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT datname AS name FROM pg_database WHERE datname ~ '^snap_[0-9a-z]{10}(_old)?$' ORDER BY datname`,
  );
  const ours = installationRoles(auth).databaseTenants;
  const others = await admin.query(
    `SELECT FROM pg_roles WHERE rolname LIKE '%\\_database\\_tenants' AND rolname <> $1`,
    [ours],
  );
  return { copies: new Set(rows.map(({ name }) => name)), shared: others.rows.length > 0 };
}
