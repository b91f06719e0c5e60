import type pg from 'pg';
import { fromSql } from '../catalog/run-status.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { isAliveSql, lockKind } from '../postgres/sql/advisory-lock.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import { isTransferLeftSql, transfersInWorkSql } from '../transfers/left.ts';
import { type Leftover, startFixes } from './leftover.ts';

/**
 * Finds work that the catalog lists as in progress but whose process is dead.
 * @param client a connection to `auth`
 */
export async function findInterrupted(client: pg.Client): Promise<Leftover[]> {
  const { rows: tenants } = await client.query<{ slug: string }>(
    `SELECT slug FROM tenant_maintenances m JOIN tenants t ON t.id = m.tenant_id
     WHERE NOT ${isAliveSql('m.claimed_by')} ORDER BY slug`,
  );
  const { rows: runs } = await client.query<{ run: string; count: number }>(
    `SELECT run_id AS run, count(*)::int AS count FROM migration_run_items i
     WHERE ${fromSql('takeOver')} AND NOT ${isAliveSql('i.claimed_by')} GROUP BY run_id ORDER BY run_id`,
  );
  const { rows: transfers } = await client.query<{ id: string; slug: string; kind: string }>(
    `SELECT id, slug, kind FROM tenant_transfers WHERE ${isTransferLeftSql('10 seconds')}
       AND (${transfersInWorkSql} = 0 OR coalesce(not_before, created_at) < now() - interval '10 minutes') ORDER BY created_at`,
  );
  const { rows: places } = await client.query<{ slug: string; server: string; place: string; error: string | null }>(
    `SELECT slug, server, CASE isolation WHEN 'DATABASE' THEN 'database ' || database ELSE 'schema ' || schema END AS place, error
     FROM old_places WHERE drop_after < now() - interval '10 minutes' ORDER BY drop_after`,
  );
  return [
    ...transfers.map(({ id, slug, kind }) => ({
      message: `The transfer ${id} (${kind} of ${slug}) has not finished, but no process is working on it`,
      remedy: `Start a server or tenantry worker, or run tenantry tenant resume ${id}`,
    })),
    ...places.map(
      ({ slug, server, place, error }): Leftover => ({
        message: `The ${place} on the server ${server}, where the tenant ${slug} is not any more, should have been dropped${error === null ? '' : `: ${error.replace(/\.$/, '')}`}`,
        remedy: startFixes,
        fix: 'start',
      }),
    ),
    ...tenants.map(({ slug }): Leftover => {
      return {
        message: `The tenant ${slug} is in maintenance, but no process is working on it`,
        remedy: startFixes,
        fix: 'start',
      };
    }),
    ...runs.map(({ run, count }) => ({
      message: `In the run ${run}, ${count} tenants are in progress, but no process is working on them`,
      remedy: `Start a server or tenantry worker, or run tenantry migrate resume ${run}`,
    })),
  ];
}

interface IdleLock {
  readonly pid: number;
  readonly database: string;
  readonly application: string;
  readonly address: string | null;
  readonly seconds: number;
  readonly started: string;
  /** Whether this role may end it. */
  readonly mayEnd: boolean;
}

/** Finds idle sessions that hold a lock which blocks migrations, server starts or tenants. */
export async function findIdleLocks(
  server: PostgresServer,
  { databases, idleLockSeconds }: IdleLockOptions,
): Promise<Leftover[]> {
  // Each live process holds its liveness lock for as long as it runs.
  const kinds = Object.values(lockKind).filter((kind) => kind !== lockKind.alive);
  const { rows } = await server.admin((admin) =>
    admin.query<IdleLock>(
      `SELECT a.pid, a.datname AS database, a.application_name AS application, host(a.client_addr) AS address,
         extract(epoch FROM now() - a.state_change)::int AS seconds, a.backend_start::text AS started,
         current_setting('is_superuser') = 'on' OR NOT r.rolsuper
           AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) AS "mayEnd"
       FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
       WHERE a.state LIKE 'idle%' AND a.state_change < now() - make_interval(secs => $1) AND a.pid <> pg_backend_pid()
         AND EXISTS (
           SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND (
             l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = ANY ($2::int[]::oid[])
             OR l.locktype = 'relation' AND a.state LIKE 'idle in transaction%'
               AND (a.datname = ANY ($3) OR a.datname ~ '^db_[0-9a-z]{10}$')))
       ORDER BY a.pid`,
      [idleLockSeconds, kinds, [databases.auth, databases.shared]],
    ),
  );
  return rows.map(({ pid, database, application, address, seconds, started, mayEnd }) => {
    const message = `A session of ${application || 'an unnamed program'}${address ? ` at ${address}` : ''} in the database ${database} on the server ${server.name} holds a lock and has been idle for ${seconds} s`;
    const end = 'the session, which rolls back its transaction';
    if (!mayEnd) return { message, remedy: `A superuser can end ${end}: SELECT pg_terminate_backend(${pid})` };
    return {
      message,
      remedy: `tenantry doctor --fix ends ${end}`,
      fix: {
        server: server.name,
        databases: [database],
        sql: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${pid} AND backend_start = ${quoteLiteral(started)}::timestamptz`,
      },
    };
  });
}

interface IdleLockOptions {
  readonly databases: { readonly auth: string; readonly shared: string };
  readonly idleLockSeconds: number;
}
