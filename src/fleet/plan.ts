import pLimit from 'p-limit';
import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import type { KnownTenant } from '../catalog/tenant-directory.ts';
import { fleetStatuses } from '../catalog/tenant-status.ts';
import { AppError, badInput, messageOf } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';
import { readAppliedSql } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { type Plan, planUp } from '../migrator/files/plan.ts';
import type { TenantConnections } from '../routing/tenant-connections.ts';
import { KnownCommon } from './common-plan.ts';
import { isDoneInSql, readDoneStates } from './runs/done-states.ts';
import { checkTarget, resolveTenants } from './runs/start.ts';
import { readStates } from './tenant-states.ts';

/** What to plan. */
export interface PlanRequest {
  /** Ids or slugs; if omitted, the whole fleet. */
  readonly tenants?: readonly string[] | undefined;
  /** The last migration to apply; if omitted, the newest. */
  readonly to?: string | undefined;
  /** Whether to check each tenant's database instead of relying on the catalog. */
  readonly verify: boolean;
}

/** What planning needs to know of a tenant. A plan may have all tenants of a large fleet, of which entities would take too long. */
export interface PlannedTenant extends KnownTenant {
  /** When it was created, in microseconds since 1970. */
  readonly createdAt: number;
  /** The id of its set of migrations; null if the catalog does not know it. */
  readonly migrationState: string | null;
}

/** A tenant with pending migrations, or one that must not be migrated. */
export interface TenantPlan {
  readonly tenant: PlannedTenant;
  readonly plan: Plan | Unreadable;
  /** The migrations of `common` that its database lacks. They come first, and are the same for all its tenants. */
  readonly common: readonly MigrationFile[];
}

/** A tenant whose database could not be checked. It does not stop the plan for other tenants. */
export interface Unreadable {
  readonly kind: 'unreadable';
  readonly message: string;
}

/** What a run would do now. */
export interface FleetPlan {
  /** Oldest first. */
  readonly tenants: readonly TenantPlan[];
  /** The tenants that were checked, including up-to-date ones. */
  readonly totalCount: number;
  readonly upToDateCount: number;
  /** All migrations that at least one tenant lacks. */
  readonly migrations: readonly MigrationFile[];
}

/** Dependencies of planning. */
export interface PlanFleetOptions {
  readonly catalog: Catalog;
  readonly connections: TenantConnections;
  readonly files: readonly MigrationFile[];
  /** The migrations of `common`. */
  readonly common: readonly MigrationFile[];
  /** The maximum number of tenants checked at once. */
  readonly concurrency: number;
}

/**
 * Plans a run without changing anything. It connects to a tenant only if the request asks for it or the catalog has no
 * state for the tenant.
 * @throws {AppError} as a run would: NOT_FOUND, CONFLICT, BAD_USER_INPUT
 */
export async function planFleet(options: PlanFleetOptions, request: PlanRequest): Promise<FleetPlan> {
  const { catalog, files } = options;
  checkTarget(files, request.to);
  const { chosen, states, known } = await catalog.use(async (client) => ({
    chosen: await readOpen(client, options, request),
    known: options.common.length > 0 ? await KnownCommon.read(client) : undefined,
    states: new Map((await readStates(client)).map(({ id, applied }) => [id, applied])),
  }));
  const limit = pLimit(options.concurrency);
  const planned = new Map<string | null, Plan>();
  const planOf = async (tenant: PlannedTenant): Promise<TenantPlan> => {
    const state = request.verify ? undefined : states.get(tenant.migrationState ?? '');
    try {
      const applied = state ?? (await limit(() => readApplied(options.connections, tenant)));
      const plan = (state && planned.get(tenant.migrationState)) ?? planUp(files, applied, request.to);
      if (state) planned.set(tenant.migrationState, plan);
      const common = known?.plan(options.common, tenant) ?? nothing;
      // Without its database's `common`, the tenant is not migrated.
      if (common.kind === 'refusal') return { tenant, plan: common, common: [] };
      return { tenant, plan, common: plan.kind === 'steps' ? common.steps : [] };
    } catch (error) {
      // Error messages for a tenant's clients contain less than its operator needs.
      const reason = error instanceof AppError ? (error.cause ?? error) : error;
      return {
        tenant,
        plan: { kind: 'unreadable', message: `Its database cannot be read: ${messageOf(reason)}` },
        common: [],
      };
    }
  };
  const plans = await Promise.all(chosen.open.map(planOf));
  const open = plans.filter((found) => found.plan.kind !== 'steps' || stepsOf(found).length > 0);
  const pending = new Set(open.flatMap(stepsOf));
  return {
    tenants: open,
    totalCount: chosen.total,
    upToDateCount: chosen.total - open.length,
    migrations: [...options.common, ...files].filter((file) => pending.has(file)),
  };
}

const createdAtSql = '(extract(epoch FROM t.created_at) * 1000000)::float8';

const nothing: Plan = { kind: 'steps', steps: [], warnings: [] };

/** Counts the tenants, and finds those that may have something to do: most fleets are up to date, and all others may be large. */
async function readOpen(
  client: pg.Client,
  { files, common }: Pick<PlanFleetOptions, 'files' | 'common'>,
  { tenants, to, verify }: PlanRequest,
): Promise<{ readonly total: number; readonly open: readonly PlannedTenant[] }> {
  const ids = tenants && (await resolveTenants(client, tenants));
  const done = await readDoneStates(client, { tenant: files, common }, { ...(to !== undefined && { to }), verify });
  const isChosen = 'status = ANY ($1::text[]) AND ($2::uuid[] IS NULL OR id = ANY ($2))';
  const isDone = isDoneInSql({ tenants: 't', commonStates: 's', tenant: '$3', common: '$4' });
  const counted = await client.query<{ total: number }>(
    `SELECT count(*)::int AS total FROM tenants WHERE ${isChosen}`,
    [fleetStatuses, ids],
  );
  const { rows: open } = await client.query<PlannedTenant>(
    `SELECT t.id, t.slug, t.status, t.isolation, t.key, t.server, t.database, t.schema, ${createdAtSql} AS "createdAt",
       t.migration_state AS "migrationState"
     FROM tenants t LEFT JOIN common_states s USING (server, database)
     WHERE ${isChosen} AND NOT ${isDone} ORDER BY t.created_at, t.id`,
    [fleetStatuses, ids, done.tenant, done.common],
  );
  return { total: counted.rows[0]?.total ?? 0, open };
}

/** What a run would apply for a tenant, in order: to its database's schema `common`, then to its own. */
export function stepsOf({ plan, common }: TenantPlan): readonly MigrationFile[] {
  return plan.kind === 'steps' ? [...common, ...plan.steps] : [];
}

/** The default and the maximum page size for a plan's tenants. */
export const PLAN_PAGE = { default: 100, max: 1000 };

/**
 * Returns a page of a plan's tenants.
 * @param after the id or slug of a tenant that the plan has checked; the page starts after it
 * @throws {AppError} BAD_USER_INPUT
 */
export async function pageOfPlan(
  catalog: Catalog,
  { tenants }: FleetPlan,
  first: number,
  after?: string | null | undefined,
): Promise<readonly TenantPlan[]> {
  if (first < 1 || first > PLAN_PAGE.max) throw badInput('first', `first must be from 1 to ${PLAN_PAGE.max}`);
  if (after == null) return tenants.slice(0, first);
  const index = tenants.findIndex(({ tenant: { id, slug } }) => id === after || slug === after);
  if (index >= 0) return tenants.slice(index + 1, index + 1 + first);
  // The cursor's tenant may be up to date by now, and so no longer part of the plan.
  const { rows } = await catalog.use((client) =>
    client.query<PlaceInPlan>(
      `SELECT t.id, ${createdAtSql} AS "createdAt" FROM tenants t
       WHERE status = ANY ($1::text[]) AND ${isUuid(after) ? 'id' : 'slug'} = $2`,
      [fleetStatuses, after],
    ),
  );
  const [last] = rows;
  if (!last) throw badInput('after', `The plan has no tenant ${after}`);
  return tenants.filter(({ tenant }) => isYounger(tenant, last)).slice(0, first);
}

type PlaceInPlan = Pick<PlannedTenant, 'id' | 'createdAt'>;

/** Whether a tenant comes later in the order of a plan. */
function isYounger(one: PlaceInPlan, other: PlaceInPlan): boolean {
  const difference = one.createdAt - other.createdAt;
  return difference > 0 || (difference === 0 && one.id > other.id);
}

/** Returns why nothing may be applied to a tenant, as readable text; null if it may. */
export function planRefusal({ plan }: Pick<TenantPlan, 'plan'>): string | null {
  if (plan.kind === 'steps') return null;
  return plan.kind === 'refusal' ? `${plan.code}: ${plan.message}` : plan.message;
}

/**
 * Returns the statements that the steps send, in order. Steps whose statements are unknown in advance become comments.
 */
export function sqlOf(steps: readonly MigrationFile[]): string[] {
  return steps.flatMap(
    ({ name, statements }) =>
      statements ?? [`-- ${name} queries the database while it runs, so its statements are not known in advance`],
  );
}

async function readApplied(connections: TenantConnections, tenant: KnownTenant): Promise<readonly AppliedMigration[]> {
  const read = (client: pg.Client) => client.query<AppliedMigration>(readAppliedSql(tenant.schema));
  return (await connections.pool(tenant).use(read)).rows;
}
