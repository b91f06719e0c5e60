import type { TenantStatus } from './entities/tenant.entity.ts';
import { includesStatus, type Step, statusSql, toSql } from './steps.ts';

/** A step of tenants that leads to one status, or back to one that the row has remembered. */
type TenantStep = Step<TenantStatus> & {
  /** If `to` has several statuses: the SQL expression that says which. */
  readonly remembered?: string;
};

/**
 * Every step in the life of a tenant. It is in the catalog, below all that take the steps: what creates and deletes tenants,
 * what copies their databases, and what migrates them.
 */
export const tenantSteps = {
  /** The row comes before the database, so that a crash leaves something that can be found. */
  create: { from: [], to: ['PROVISIONING'], by: 'createTenant' },
  finish: { from: ['PROVISIONING'], to: ['ACTIVE'], by: 'createTenant, or recoverTenants after a crash' },
  suspend: { from: ['ACTIVE', 'SUSPENDED'], to: ['SUSPENDED'], by: 'suspendTenant' },
  activate: { from: ['ACTIVE', 'SUSPENDED'], to: ['ACTIVE'], by: 'activateTenant' },
  /** Nobody may connect to a database that is copied or replaced, so the copy of a suspended tenant has this status too. */
  maintain: { from: ['ACTIVE', 'SUSPENDED'], to: ['MAINTENANCE'], by: 'Maintenance.run' },
  endMaintenance: {
    from: ['MAINTENANCE'],
    to: ['ACTIVE', 'SUSPENDED'],
    remembered: 'm.status_before',
    by: 'the process that works on it, or another one after a crash',
  },
  /** Nobody knows any longer which migrations such a tenant has, so nothing but `resolve` makes it served again. */
  needAttention: {
    from: ['ACTIVE', 'SUSPENDED'],
    to: ['NEEDS_ATTENTION'],
    by: 'a worker that could neither finish nor revert its batch',
  },
  resolve: {
    from: ['NEEDS_ATTENTION'],
    to: ['ACTIVE', 'SUSPENDED'],
    remembered: "coalesce(t.status_before_attention, 'ACTIVE')",
    by: 'resolveAttention',
  },
  /** Not while somebody else creates it or works on its database. There is no way back. */
  delete: { from: ['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION'], to: ['DELETING'], by: 'deleteTenant' },
  /** From here on nobody can finish its creation. */
  discard: {
    from: ['PROVISIONING', 'DELETING'],
    to: ['DELETING'],
    by: 'createTenant after a failure, deleteTenant, or recoverTenants after a crash',
  },
  /** The row goes last, when its database or schema is proven gone. */
  remove: { from: ['DELETING'], to: [], by: 'whoever discards it' },
} as const satisfies Record<string, TenantStep>;

/** The statuses of tenants that some process is to finish or to remove. */
export const unfinishedStatuses = tenantSteps.discard.from;

/** The statuses of tenants that nobody is creating, deleting, copying or replacing. */
export const settledStatuses = tenantSteps.delete.from;

/** The statuses of tenants that are not served until an operator does something. */
export const refusedStatuses = ['SUSPENDED', 'NEEDS_ATTENTION'] as const satisfies readonly TenantStatus[];

/** The statuses of tenants that are served, now or when work on them has ended. */
export const servedStatuses = ['PROVISIONING', 'ACTIVE', 'MAINTENANCE'] as const satisfies readonly TenantStatus[];

/**
 * The statuses of tenants that belong to the fleet. Suspended tenants are migrated too, so that they can be
 * reactivated. A run waits for tenants whose database is being copied or replaced.
 */
export const fleetStatuses = ['ACTIVE', 'SUSPENDED', 'MAINTENANCE'] as const satisfies readonly TenantStatus[];

/** Whether a tenant with this status may take a step. */
export function canTake({ from }: Pick<TenantStep, 'from'>, status: TenantStatus): boolean {
  return includesStatus(from, status);
}

/** The steps that change a row. */
type Change = { [Name in keyof typeof tenantSteps]: (typeof tenantSteps)[Name] }[Exclude<
  keyof typeof tenantSteps,
  'create' | 'remove'
>];

/**
 * SQL that takes a step with tenants, called `t`; it passes over those whose status does not allow the step. No other SQL
 * writes a tenant's status.
 * @param where which tenants
 * @param set what else is written to the row
 * @param from another table to join
 */
export function takeStepSql(
  step: Change,
  { where, set, from }: { readonly where: string; readonly set?: string; readonly from?: string },
): string {
  const status = 'remembered' in step ? `status = ${step.remembered}` : toSql(step);
  const columns = set === undefined ? status : `${status}, ${set}`;
  const join = from === undefined ? '' : ` FROM ${from}`;
  return `UPDATE tenants t SET ${columns}${join} WHERE ${where} AND ${statusSql(step.from, 't.status')}`;
}
