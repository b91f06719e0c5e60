import type { TenantStatus } from './entities/tenant.entity.ts';
import { includesStatus, type Step, statusSql, toSql } from './steps.ts';

/** A transition to one status, or back to the previous one, which a row remembers. */
type TenantStep = Step<TenantStatus> & {
  /** The SQL expression of the status, if `to` has several. */
  readonly remembered?: string;
};

/**
 * Every transition of a tenant. The table is in the catalog, below everything that performs transitions: creating and deleting
 * tenants, copying their databases, and migrating them.
 */
export const tenantSteps = {
  /** The row is inserted before the database is created, so that recovery finds it after a crash. */
  create: { from: [], to: ['PROVISIONING'], by: 'createTenant' },
  finish: {
    from: ['PROVISIONING'],
    to: ['ACTIVE'],
    by: 'createTenant, recoverTenants after a crash, or a transfer that made it',
  },
  suspend: { from: ['ACTIVE', 'SUSPENDED'], to: ['SUSPENDED'], by: 'suspendTenant' },
  activate: { from: ['ACTIVE', 'SUSPENDED'], to: ['ACTIVE'], by: 'activateTenant' },
  /** Nobody can connect to a database while it is copied or replaced. The row of the maintenance remembers the status. */
  maintain: { from: ['ACTIVE', 'SUSPENDED'], to: ['MAINTENANCE'], by: 'Maintenance.run' },
  endMaintenance: {
    from: ['MAINTENANCE'],
    to: ['ACTIVE', 'SUSPENDED'],
    remembered: 'm.status_before',
    by: 'Maintenance.run, or Maintenance.recover after a crash',
  },
  /** The same while it moves. The row of the transfer remembers the status. */
  beginMove: { from: ['ACTIVE', 'SUSPENDED'], to: ['MAINTENANCE'], by: 'the worker that carries out a transfer' },
  endMove: {
    from: ['MAINTENANCE'],
    to: ['ACTIVE', 'SUSPENDED'],
    remembered: 'x.status_before',
    by: 'the worker that carries out a transfer, when the tenant has moved or stays where it was',
  },
  /** Its migrations are no longer known, so it is not served until an operator has inspected it. */
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
  /** Into the bin. Not while it is created or in maintenance. The row remembers the status. */
  delete: { from: ['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION'], to: ['DELETED'], by: 'deleteTenant' },
  /** Before that, a run migrates it, unless it needs attention. */
  undelete: {
    from: ['DELETED'],
    to: ['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION'],
    remembered: 't.status_before_deletion',
    by: 'settleRun, at the end of the run that undeleteTenant has started',
  },
  /** A removal cannot be stopped. */
  purge: {
    from: ['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION', 'DELETED'],
    to: ['DELETING'],
    by: 'deleteTenant with purge, or purgeExpired',
  },
  /** After this, no process can finish its creation. */
  discard: {
    from: ['PROVISIONING', 'DELETING'],
    to: ['DELETING'],
    by: 'createTenant after a failure, deleteTenant, or recoverTenants after a crash',
  },
  /** The row is deleted last, when its database or schema is dropped. */
  remove: { from: ['DELETING'], to: [], by: 'the process that discarded it' },
} as const satisfies Record<string, TenantStep>;

/** The statuses of tenants that a process must finish or remove. */
export const unfinishedStatuses = tenantSteps.discard.from;

/** The statuses of tenants that no process is creating, deleting, copying or replacing. */
export const settledStatuses = tenantSteps.delete.from;

/** The statuses of tenants that are not served until an operator acts. */
export const refusedStatuses = ['SUSPENDED', 'NEEDS_ATTENTION', 'DELETED'] as const satisfies readonly TenantStatus[];

/** The statuses of tenants that no longer exist, except for platform admins. */
export const deletedStatuses = ['DELETED', 'DELETING'] as const satisfies readonly TenantStatus[];

/** The statuses of tenants that are served now or as soon as the current work on them ends. */
export const servedStatuses = ['PROVISIONING', 'ACTIVE', 'MAINTENANCE'] as const satisfies readonly TenantStatus[];

/**
 * The statuses of tenants that belong to the fleet. Suspended tenants are migrated too, so that they can be
 * reactivated. A run waits for tenants whose database is being copied or replaced.
 */
export const fleetStatuses = ['ACTIVE', 'SUSPENDED', 'MAINTENANCE'] as const satisfies readonly TenantStatus[];

/** Whether a transition applies to a tenant with this status. */
export function canTake({ from }: Pick<TenantStep, 'from'>, status: TenantStatus): boolean {
  return includesStatus(from, status);
}

/** The transitions that update a row. */
type Change = { [Name in keyof typeof tenantSteps]: (typeof tenantSteps)[Name] }[Exclude<
  keyof typeof tenantSteps,
  'create' | 'remove'
>];

/**
 * Returns the statement that inserts the row of a new tenant, with its first status.
 * @param columns the other columns
 * @param rows SQL for the row, which begins with the given status
 */
export function insertTenantSql(columns: string, rows: (status: string) => string): string {
  return `INSERT INTO tenants (status, ${columns}) ${rows(`'${tenantSteps.create.to[0]}'`)}`;
}

/**
 * Returns the update that performs a transition of tenants, which it calls `t`. It skips tenants with a status to which the
 * transition does not apply. No other SQL updates a tenant's status.
 * @param where the condition that selects tenants
 * @param set further assignments
 * @param from another table
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
