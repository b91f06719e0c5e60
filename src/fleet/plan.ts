import pLimit from 'p-limit';
import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { fleetStatuses } from '../catalog/tenant-status.ts';
import { AppError, badInput, messageOf } from '../lib/errors.ts';
import { readAppliedSql } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { type Plan, planUp } from '../migrator/files/plan.ts';
import type { TenantConnections } from '../routing/tenant-connections.ts';
import { KnownCommon } from './common-plan.ts';
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

/** A tenant with pending migrations, or one that must not be migrated. */
export interface TenantPlan {
  readonly tenant: Tenant;
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
  readonly tenants: readonly TenantPlan[];
  /** All tenants that were checked, including up-to-date ones, in the same order. */
  readonly all: readonly Tenant[];
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
  const { ids, states, known } = await catalog.use(async (client) => ({
    ids: request.tenants && (await resolveTenants(client, request.tenants)),
    known: await KnownCommon.read(client),
    states: new Map((await readStates(client)).map(({ id, applied }) => [id, applied])),
  }));
  const where = { status: { $in: [...fleetStatuses] }, ...(ids && { id: { $in: ids } }) };
  const tenants = await catalog.fork().find(Tenant, where, { orderBy: { createdAt: 'asc', id: 'asc' } });
  const limit = pLimit(options.concurrency);
  const planOf = async (tenant: Tenant): Promise<TenantPlan> => {
    const state = request.verify ? undefined : states.get(tenant.migrationState?.id ?? '');
    try {
      const applied = state ?? (await limit(() => readApplied(options.connections, tenant)));
      const plan = planUp(files, applied, request.to);
      const common = known.plan(options.common, tenant);
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
  const plans = await Promise.all(tenants.map(planOf));
  const open = plans.filter((found) => found.plan.kind !== 'steps' || stepsOf(found).length > 0);
  const pending = new Set(open.flatMap(stepsOf));
  return {
    tenants: open,
    all: tenants,
    totalCount: tenants.length,
    upToDateCount: tenants.length - open.length,
    migrations: [...options.common, ...files].filter((file) => pending.has(file)),
  };
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
export function pageOfPlan(
  { tenants, all }: FleetPlan,
  first: number,
  after?: string | null | undefined,
): readonly TenantPlan[] {
  if (first < 1 || first > PLAN_PAGE.max) throw badInput('first', `first must be from 1 to ${PLAN_PAGE.max}`);
  if (after == null) return tenants.slice(0, first);
  const last = all.findIndex(({ id, slug }) => id === after || slug === after);
  if (last < 0) throw badInput('after', `The plan has no tenant ${after}`);
  // The cursor's tenant may be up to date by now, and so no longer part of the plan.
  const following = new Set(all.slice(last + 1));
  return tenants.filter(({ tenant }) => following.has(tenant)).slice(0, first);
}

/** Returns why nothing may be applied to a tenant, as readable text; null if it may. */
export function refusalOf({ plan }: Pick<TenantPlan, 'plan'>): string | null {
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

async function readApplied(connections: TenantConnections, tenant: Tenant): Promise<readonly AppliedMigration[]> {
  const read = (client: pg.Client) => client.query<AppliedMigration>(readAppliedSql(tenant.schema));
  return (await connections.pool(tenant).use(read)).rows;
}
