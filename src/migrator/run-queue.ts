import type { JobQueue } from '../postgres/job-queue.ts';

/** The name of the queue of tenants to migrate. */
export const migrateQueue = 'migrate-tenant';

/** What a job is about: one tenant of one run. */
export interface TenantJob {
  readonly run: string;
  readonly position: number;
}

/** The queue from which every process takes tenants. */
export type RunQueue = JobQueue<TenantJob>;

/** Tells processes that there are new jobs, or that a run is to stop; the payload is the run's id. */
export const workChannel = 'migration_work';
