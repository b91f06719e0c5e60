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
import { badInput } from '../../lib/errors.ts';
import { isUuid } from '../../lib/uuid.ts';
import { entityConnection } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';
import { TenantRef } from './tenant.ts';

const RunStatusRef = builder.enumType('MigrationRunStatus', {
  description:
    'FAILED: it went through, and some tenants failed. HALTED: too many failed, so that some were not started. CANCELLED: somebody stopped it, so that some were not started.',
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
        'Migrations that it applied or, if its kind is not UP, took back; in a dry run, those that it tried.',
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
  description: 'One call to migrate many tenants.',
  fields: (t) => ({
    id: t.exposeID('id'),
    status: t.field({ type: RunStatusRef, resolve: ({ status }) => status }),
    kind: t.field({
      type: RunKindRef,
      description: 'UP applies migrations; DOWN takes some back; UNDO takes back what another run applied.',
      resolve: ({ kind }) => kind,
    }),
    dryRun: t.boolean({ resolve: ({ options }) => options.dryRun }),
    checkpoint: t.exposeString('checkpoint', {
      description: "The name that the state before the run has in each tenant's history.",
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    startedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ startedAt }) => startedAt ?? null }),
    endedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ endedAt }) => endedAt ?? null }),
    total: t.exposeInt('total'),
    succeeded: t.exposeInt('succeeded'),
    failed: t.exposeInt('failed'),
    skipped: t.exposeInt('skipped', { description: 'Tenants for which there was nothing to do.' }),
    cancelled: t.exposeInt('cancelled', { description: 'Tenants that were not started before the run was stopped.' }),
    pending: t.int({
      resolve: ({ total, succeeded, failed, skipped, cancelled }) => total - succeeded - failed - skipped - cancelled,
    }),
    items: t.connection(
      {
        type: RunItemRef,
        description: 'Its tenants, in the order in which they are started, but for those that are deleted since.',
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

const EventRef = builder.objectRef<TenantEvent>('MigrationEvent').implement({
  description: 'Something that happened in a run.',
  fields: (t) => ({
    seq: t.exposeInt('seq', { description: 'From 1, without gaps.' }),
    at: t.field({ type: 'DateTime', resolve: ({ at }) => at }),
    kind: t.exposeString('kind', { description: describeKinds() }),
    tenant: t.field({ type: TenantRef, nullable: true, resolve: ({ tenant }) => tenant }),
    migration: t.exposeString('migration', { nullable: true }),
    message: t.string({ description: 'For people.', resolve: ({ message }) => message ?? '' }),
    done: t.exposeInt('done', {
      description: 'Tenants that are done, well or not; those that are not started are not.',
    }),
    total: t.exposeInt('total', { description: "All the run's tenants." }),
    rate: t.exposeFloat('rate', { nullable: true, description: 'Tenants a second since the run began.' }),
    remainingSeconds: t.exposeFloat('remainingSeconds', { nullable: true, description: 'What is left, at that rate.' }),
  }),
});

builder.queryFields((t) => ({
  migrationRuns: t.connection(
    {
      type: RunRef,
      description: 'Newest first.',
      authScopes: { platformAdmin: true },
      resolve: (_root, page, { services }) =>
        entityConnection(services.catalog.fork(), MigrationRun, page, { orderBy: { createdAt: 'desc', id: 'desc' } }),
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
    description: "A run's events after `after`, then each as it happens. It ends when the run does.",
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
 * An id of a run, as a client has sent it.
 * @throws {AppError} BAD_USER_INPUT if it can be none
 */
export function runId(field: string, id: string): string {
  if (isUuid(id)) return id;
  throw badInput(
    field,
    `${JSON.stringify(id)} is no id of a run; runMigrations returns one, and migrationRuns lists them`,
  );
}

function describeKinds(): string {
  const lines = Object.entries(runEventKinds).map(([kind, meaning]) => `- ${kind}: ${meaning}`);
  return `What happened:\n${lines.join('\n')}`;
}
