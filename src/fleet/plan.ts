import pLimit from 'p-limit';
import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError, badInput, messageOf } from '../lib/errors.ts';
import { readAppliedSql } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-files.ts';
import { type Plan, planUp } from '../migrator/files/plan.ts';
import type { TenantConnections } from '../routing/tenant-connections.ts';
import { checkTarget, fleetStatuses, resolveTenants } from './runs/start.ts';
import { readStates } from './tenant-states.ts';

/** What a plan is asked for. */
export interface PlanRequest {
  /** Ids or slugs; without them the whole fleet. */
  readonly tenants?: readonly string[] | undefined;
  /** The last migration to apply; without it the newest. */
  readonly to?: string | undefined;
  /** Whether to look into each tenant, instead of believing the catalog. */
  readonly verify: boolean;
}

/** A tenant for which there is something to do, or which may not be migrated. */
export interface TenantPlan {
  readonly tenant: Tenant;
  readonly plan: Plan | Unreadable;
}

/** A tenant that could not be looked into, which stops no other tenant's plan. */
export interface Unreadable {
  readonly kind: 'unreadable';
  readonly message: string;
}

/** What a run would do now. */
export interface FleetPlan {
  readonly tenants: readonly TenantPlan[];
  /** All tenants that were looked at, those that are current included, in the same order. */
  readonly all: readonly Tenant[];
  readonly totalCount: number;
  readonly upToDateCount: number;
  /** Every migration that some tenant lacks. */
  readonly migrations: readonly MigrationFile[];
}

/** What planning needs. */
export interface PlanFleetOptions {
  readonly catalog: Catalog;
  readonly connections: TenantConnections;
  readonly files: readonly MigrationFile[];
  /** Tenants to look into at once. */
  readonly concurrency: number;
}

/**
 * Tells what a run would do, and changes nothing. Tenants are not connected to, unless the request says so or the catalog
 * knows nothing of them.
 * @throws {AppError} as a run would: NOT_FOUND, CONFLICT, BAD_USER_INPUT
 */
export async function planFleet(options: PlanFleetOptions, request: PlanRequest): Promise<FleetPlan> {
  const { catalog, files } = options;
  checkTarget(files, request.to);
  const { ids, states } = await catalog.use(async (client) => ({
    ids: request.tenants && (await resolveTenants(client, request.tenants)),
    states: new Map((await readStates(client)).map(({ id, applied }) => [id, applied])),
  }));
  const where = { status: { $in: [...fleetStatuses] }, ...(ids && { id: { $in: ids } }) };
  const tenants = await catalog.fork().find(Tenant, where, { orderBy: { createdAt: 'asc', id: 'asc' } });
  const limit = pLimit(options.concurrency);
  const planOf = async (tenant: Tenant): Promise<TenantPlan> => {
    const known = request.verify ? undefined : states.get(tenant.migrationState?.id ?? '');
    try {
      const applied = known ?? (await limit(() => readApplied(options.connections, tenant)));
      return { tenant, plan: planUp(files, applied, request.to) };
    } catch (error) {
      // What clients of the tenant are told says less than its operator needs.
      const reason = error instanceof AppError ? (error.cause ?? error) : error;
      return { tenant, plan: { kind: 'unreadable', message: `It cannot be looked into: ${messageOf(reason)}` } };
    }
  };
  const plans = await Promise.all(tenants.map(planOf));
  const open = plans.filter(({ plan }) => plan.kind !== 'steps' || plan.steps.length > 0);
  const pending = new Set(open.flatMap(({ plan }) => (plan.kind === 'steps' ? plan.steps : [])));
  return {
    tenants: open,
    all: tenants,
    totalCount: tenants.length,
    upToDateCount: tenants.length - open.length,
    migrations: files.filter((file) => pending.has(file)),
  };
}

/** Tenants of a page that is not asked for otherwise, and of the largest one. */
export const PLAN_PAGE = { default: 100, max: 1000 };

/**
 * A part of a plan's tenants.
 * @param after the id or slug of a tenant that the plan has looked at; those that follow it
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
  // The tenant itself may be up to date by now, and so be none of the plan's.
  const following = new Set(all.slice(last + 1));
  return tenants.filter(({ tenant }) => following.has(tenant)).slice(0, first);
}

/** Why nothing may be applied to a tenant, for people; null if it may. */
export function refusalOf({ plan }: TenantPlan): string | null {
  if (plan.kind === 'steps') return null;
  return plan.kind === 'refusal' ? `${plan.code}: ${plan.message}` : plan.message;
}

/** What the steps send, in order. What cannot be told beforehand is a comment. */
export function sqlOf(steps: readonly MigrationFile[]): string[] {
  return steps.flatMap(
    ({ name, statements }) =>
      statements ?? [`-- ${name} asks the database while it runs, so its statements cannot be told beforehand`],
  );
}

async function readApplied(connections: TenantConnections, tenant: Tenant): Promise<readonly AppliedMigration[]> {
  const read = (client: pg.Client) => client.query<AppliedMigration>(readAppliedSql(tenant.schema));
  return (await connections.pool(tenant).use(read)).rows;
}
