import {
  MigrationRun,
  MigrationRunItem,
  type RunItemStatus,
  runItemStatuses,
  runKinds,
  runStatuses,
} from '../../catalog/entities/migration-run.entity.ts';
import { runEventKinds } from '../../fleet/events/events.ts';
import { followWithTenants, type TenantEvent } from '../../fleet/events/with-tenants.ts';
import { paceOf } from '../../fleet/runs/pace.ts';
import { badInput } from '../../lib/errors.ts';
import { isUuid } from '../../lib/uuid.ts';
import type { BackfillProgress } from '../../migrator/backfill/progress.ts';
import { entityConnection } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';
import { TenantRef } from './tenant.ts';

const RunStatusRef = builder.enumType('MigrationRunStatus', {
  description:
    'FAILED: all tenants were attempted and some failed. HALTED: too many failed, so some were not started. CANCELLED: somebody stopped it, so some were not started.',
  values: runStatuses,
});

const RunKindRef = builder.enumType('MigrationRunKind', { values: runKinds });

const RunItemStatusRef = builder.enumType('RunItemStatus', { values: runItemStatuses });

const RunItemRef = builder.objectType(MigrationRunItem, {
  name: 'MigrationRunItem',
  description: 'What a run did with one tenant.',
  fields: (t) => ({
    tenant: t.field({
      type: TenantRef,
      resolve: ({ tenant }) => {
        if (tenant) return tenant.loadOrFail({ dataloader: true });
        throw new Error('An item without a tenant was listed');
      },
    }),
    status: t.field({ type: RunItemStatusRef, resolve: ({ status }) => status }),
    applied: t.stringList({
      description:
        "Migrations that were applied or, if the run's kind is not UP, reverted; in a dry run, those that were tried.",
      maxItems: MAX_TEXTS,
      resolve: ({ applied }) => applied,
    }),
    attempts: t.exposeInt('attempts'),
    error: t.string({ nullable: true, resolve: ({ error }) => error ?? null }),
    durationMs: t.float({ nullable: true, resolve: ({ durationMs }) => durationMs ?? null }),
  }),
});

/** The GraphQL type of a run. */
export const RunRef = builder.objectType(MigrationRun, {
  name: 'MigrationRun',
  description: 'A run of migrations over many tenants.',
  fields: (t) => ({
    id: t.exposeID('id'),
    status: t.field({ type: RunStatusRef, resolve: ({ status }) => status }),
    kind: t.field({
      type: RunKindRef,
      description: 'UP applies migrations. DOWN reverts migrations. UNDO reverts what another run applied.',
      resolve: ({ kind }) => kind,
    }),
    dryRun: t.boolean({ resolve: ({ options }) => options.dryRun }),
    checkpoint: t.exposeString('checkpoint', {
      description: "The name of the restore point: the state before the run, in each tenant's history.",
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    startedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ startedAt }) => startedAt ?? null }),
    endedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ endedAt }) => endedAt ?? null }),
    eventsDroppedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its old events were deleted, as RUN_EVENT_RETENTION_DAYS says. The counts stay.',
      resolve: ({ eventsDroppedAt }) => eventsDroppedAt ?? null,
    }),
    itemsDroppedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the results of its tenants were deleted, as RUN_ITEM_RETENTION_DAYS says. Since then, items, failures, changes and waves are empty, and it can be neither resumed nor undone. The counts stay.',
      resolve: ({ itemsDroppedAt }) => itemsDroppedAt ?? null,
    }),
    total: t.exposeInt('total'),
    succeeded: t.exposeInt('succeeded'),
    failed: t.exposeInt('failed'),
    skipped: t.exposeInt('skipped', { description: 'Tenants that were already up to date.' }),
    cancelled: t.exposeInt('cancelled', { description: 'Tenants that had not been started when the run was stopped.' }),
    pending: t.int({
      resolve: ({ total, succeeded, failed, skipped, cancelled }) => total - succeeded - failed - skipped - cancelled,
    }),
    rate: t.float({
      nullable: true,
      description: 'Tenants per second since the run was started or resumed. Null while it is unknown.',
      resolve: (run) => paceOf(run).rate,
    }),
    remainingSeconds: t.float({
      nullable: true,
      description: 'Estimated from the rate; 0 when the run has ended. Null while it is unknown.',
      resolve: (run) => paceOf(run).remainingSeconds,
    }),
    items: t.connection(
      {
        type: RunItemRef,
        description: 'The tenants of the run in the order in which they are started, without those deleted since.',
        args: { status: t.arg({ type: RunItemStatusRef }) },
        resolve: ({ id }, { status, ...page }, { services }) =>
          entityConnection(services.catalog.fork(), MigrationRunItem, page, {
            where: itemsWhere(id, status),
            orderBy: { position: 'asc' },
          }),
      },
      { name: 'MigrationRunItemConnection' },
      { name: 'MigrationRunItemEdge' },
    ),
  }),
});

const RunEventKindRef = builder.enumType('MigrationEventKind', {
  description: 'What happened in a run.',
  values: runEventKinds,
});

const BackfillProgressRef = builder.objectRef<BackfillProgress>('BackfillProgress').implement({
  description: 'How far a backfill is in one tenant.',
  fields: (t) => ({
    rowsDone: t.exposeFloat('rowsDone'),
    rowsTotal: t.exposeFloat('rowsTotal', { description: 'For tables with more than 100,000 rows an estimate.' }),
    rowsPerSecond: t.exposeFloat('rowsPerSecond', {
      nullable: true,
      description: 'Since the work on the tenant began or was resumed.',
    }),
    remainingSeconds: t.exposeFloat('remainingSeconds', { nullable: true, description: 'Estimated from the rate.' }),
  }),
});

const EventRef = builder.objectRef<TenantEvent>('MigrationEvent').implement({
  description: 'An event in a run.',
  fields: (t) => ({
    seq: t.exposeInt('seq', { description: 'From 1, without gaps.' }),
    at: t.field({ type: 'DateTime', resolve: ({ at }) => at }),
    kind: t.field({
      type: RunEventKindRef,
      // A newer process may have written a kind that this one does not know.
      resolve: ({ kind }) => (kind in runEventKinds ? kind : 'RUN_WARNING'),
    }),
    tenant: t.field({ type: TenantRef, nullable: true, resolve: ({ tenant }) => tenant }),
    migration: t.exposeString('migration', { nullable: true }),
    message: t.string({ description: 'A human-readable message.', resolve: ({ message }) => message ?? '' }),
    done: t.exposeInt('done', {
      description: 'Tenants that have ended, whether they succeeded or failed. Unstarted tenants are not included.',
    }),
    total: t.exposeInt('total', { description: 'All tenants of the run.' }),
    rate: t.exposeFloat('rate', { nullable: true, description: 'Tenants per second since the run started.' }),
    remainingSeconds: t.exposeFloat('remainingSeconds', { nullable: true, description: 'Estimated from the rate.' }),
    backfill: t.field({
      type: BackfillProgressRef,
      nullable: true,
      description: 'How far a backfill of the tenant is. Null for other kinds of events.',
      resolve: ({ backfill }) => backfill,
    }),
  }),
});

builder.queryFields((t) => ({
  migrationRuns: t.connection(
    {
      type: RunRef,
      description: 'Newest first.',
      nullable: true,
      authScopes: { platformAdmin: true },
      args: { status: t.arg({ type: RunStatusRef }), kind: t.arg({ type: RunKindRef }) },
      resolve: (_root, { status, kind, ...page }, { services }) =>
        entityConnection(services.catalog.fork(), MigrationRun, page, {
          where: { ...(status && { status }), ...(kind && { kind }) },
          orderBy: { createdAt: 'desc', id: 'desc' },
        }),
    },
    { name: 'MigrationRunConnection' },
    { name: 'MigrationRunEdge' },
  ),
  migrationRun: t.field({
    type: RunRef,
    nullable: true,
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { services }) => services.catalog.fork().findOne(MigrationRun, { id: runId('id', id) }),
  }),
}));

builder.subscriptionField('migrationProgress', (t) =>
  t.field({
    type: EventRef,
    description:
      'The past events of a run after the sequence number `after`, then new ones as they happen. Ends when the run ends.',
    authScopes: { platformAdmin: true },
    args: { run: t.arg.id({ required: true }), after: t.arg.int({ defaultValue: 0 }) },
    subscribe: (_root, { run, after }, { services, signal }) =>
      followWithTenants(services.catalog, services.listener, runId('run', run), after ?? 0, signal()),
    resolve: (event) => event,
  }),
);

function itemsWhere(run: string, status: RunItemStatus | null | undefined) {
  return { run, tenant: { $ne: null }, ...(status && { status }) };
}

/**
 * Checks the id of a run that a client sent.
 * @throws {AppError} BAD_USER_INPUT if it is not a UUID
 */
export function runId(field: string, id: string): string {
  if (isUuid(id)) return id;
  throw badInput(
    field,
    `${JSON.stringify(id)} is not the id of a run; runMigrations returns one, and migrationRuns lists them`,
  );
}
