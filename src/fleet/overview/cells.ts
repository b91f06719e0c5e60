import type pg from 'pg';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Isolation, TenantStatus } from '../../catalog/entities/tenant.entity.ts';
import { badInput } from '../../lib/errors.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import { invalidCursor } from '../../orm/pagination.ts';
import { isDataException } from '../../postgres/sql/error-codes.ts';
import { type CellCursor, decodeCellCursor, encodeCellCursor } from './cell-cursor.ts';
import type { StateSummaries, StateSummary } from './state-summaries.ts';

/** The maximum number of tenants in one page. */
export const MAX_CELLS = 2500;

/** What a picture of the fleet shows of a tenant. */
export interface FleetCell {
  readonly id: string;
  readonly slug: string;
  readonly status: TenantStatus;
  readonly isolation: Isolation;
  readonly server: string;
  /** The id of its migration state; null while its migrations are unknown. */
  readonly state: string | null;
}

/** A page of the fleet, or of what has changed. */
export interface FleetCellPage {
  readonly cells: readonly FleetCell[];
  /** The ids of tenants that no longer exist. */
  readonly deleted: readonly string[];
  /** Continues this list, or follows the changes after it. */
  readonly cursor: string;
  /** Whether this list goes on now. */
  readonly hasMore: boolean;
  readonly states: readonly StateSummary[];
}

interface Moment {
  readonly snapshot: string;
  /** By the database's clock, in seconds since 1970. */
  readonly at: number;
  /** The number of the table, which is another one after it has been restored from a dump. */
  readonly table: string;
}

type Row = FleetCell & { readonly isDeleted: boolean };

/**
 * Reads the whole fleet in pages, in the order of ids, and then what has changed since, without an end: each answer's cursor
 * asks for the next one. A tenant may be repeated, but no change is missed.
 * @param after the cursor of the previous answer
 * @throws {AppError} BAD_USER_INPUT for a cursor that is invalid or too old
 */
export async function readFleetCells(
  { catalog, files, states }: { catalog: Catalog; files: readonly MigrationFile[]; states: StateSummaries },
  after: string | null | undefined,
): Promise<FleetCellPage> {
  const cursor = after == null ? undefined : decodeCellCursor(after);
  return catalog.use(async (client) => {
    // Read before the tenants: what changes in between is reported twice instead of never.
    const now = await readMoment(client, cursor).catch(refuseData);
    const until = cursor?.until ?? now;
    const rows = await readRows(client, cursor?.since?.snapshot, cursor?.last).catch(refuseData);
    const hasMore = rows.length > MAX_CELLS;
    const page = rows.slice(0, MAX_CELLS);
    const next: CellCursor = hasMore
      ? { since: cursor?.since, until, last: page.at(-1)?.id }
      : { since: until, until: undefined, last: undefined };
    return {
      cells: page.filter(({ isDeleted }) => !isDeleted),
      deleted: page.filter(({ isDeleted }) => isDeleted).map(({ id }) => id),
      cursor: encodeCellCursor(next),
      hasMore,
      states: [...(await states.inUse(client, files)).values()],
    };
  });
}

/** PostgreSQL refuses a snapshot that only looks like one. */
function refuseData(error: unknown): never {
  throw isDataException(error) ? invalidCursor('after') : error;
}

/** For how long a cursor is valid: less than deleted tenants are remembered. */
const VALID = '1 day';

/** A restored copy of `auth` may be on a server that counts transactions from a smaller number. */
async function readMoment(client: pg.Client, cursor: CellCursor | undefined): Promise<Moment> {
  const oldest = cursor?.since ?? cursor?.until;
  const newest = cursor?.until ?? cursor?.since;
  const { rows } = await client.query<Moment & { isValid: boolean }>(
    `SELECT pg_current_snapshot()::text AS snapshot, extract(epoch FROM now())::float8 AS at, 'tenants'::regclass::oid::text AS "table",
       coalesce(pg_snapshot_xmax($1) <= pg_snapshot_xmax(pg_current_snapshot())
         AND to_timestamp($2) > now() - interval '${VALID}' AND 'tenants'::regclass::oid::text = $3, true) AS "isValid"`,
    [newest?.snapshot, oldest?.at, newest?.table],
  );
  const [moment] = rows;
  if (!moment?.isValid)
    throw badInput('after', 'The cursor is too old, or of another database. Start again without after.');
  return { snapshot: moment.snapshot, at: moment.at, table: moment.table };
}

const columns = 'id, slug, status, isolation, server, migration_state AS state, false AS "isDeleted"';

async function readRows(
  client: pg.Client,
  since: string | undefined,
  last: string | undefined,
): Promise<readonly Row[]> {
  const start = last ?? null;
  if (since === undefined) {
    const { rows } = await client.query<Row>(
      `SELECT ${columns} FROM tenants WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT ${MAX_CELLS + 1}`,
      [start],
    );
    return rows;
  }
  const { rows } = await client.query<Row>(
    `SELECT ${columns} FROM tenants WHERE ${isChanged} AND ($2::uuid IS NULL OR id > $2)
     UNION ALL
     SELECT tenant_id, '', NULL, NULL, '', NULL, true FROM tenant_deletions d
     WHERE ${isChanged} AND ($2::uuid IS NULL OR tenant_id > $2) AND NOT EXISTS (SELECT FROM tenants t WHERE t.id = d.tenant_id)
     ORDER BY id LIMIT ${MAX_CELLS + 1}`,
    [since, start],
  );
  return rows;
}

// The first condition is for the index. The second one leaves out transactions of another server, whose numbers came with a dump:
// until this server has counted as far, they would be changes forever.
const isChanged = `changed_in >= pg_snapshot_xmin($1::pg_snapshot) AND changed_in < pg_snapshot_xmax(pg_current_snapshot())
  AND NOT pg_visible_in_snapshot(changed_in, $1::pg_snapshot)`;
