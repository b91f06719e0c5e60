import {
  type DownTarget,
  MigrationRun,
  MigrationRunItem,
  type RunItemStatus,
  runItemStatuses,
  runKinds,
  runStatuses,
} from '../catalog/migration-run.entity.ts';
import { TenantRef } from '../catalog/schema.ts';
import { Tenant } from '../catalog/tenant.entity.ts';
import { badInput } from '../errors.ts';
import { followRun, type RunEvent, runEventKinds } from '../events/run-events.ts';
import { builder } from '../graphql/builder.ts';
import { entityConnection } from '../graphql/connection.ts';
import type { Context } from '../graphql/context.ts';
import { isUuid } from '../is-uuid.ts';
import { CheckpointKindRef } from './checkpoint-schema.ts';
import { cancelRun, resumeRun } from './control-run.ts';
import { startRun } from './start-run.ts';
import { undoRun } from './undo-run.ts';

const RunStatusRef = builder.enumType('MigrationRunStatus', {
  description: 'FAILED: it went through, and some tenants failed. HALTED: it stopped early, since too many did.',
  values: runStatuses,
});

const RunKindRef = builder.enumType('MigrationRunKind', { values: runKinds });

const RunItemStatusRef = builder.enumType('RunItemStatus', { values: runItemStatuses });

const RunItemRef = builder.objectType(MigrationRunItem, {
  name: 'MigrationRunItem',
  description: 'What a run did with one tenant.',
  fields: (t) => ({
    tenant: t.field({ type: TenantRef, resolve: ({ tenant }) => tenant.loadOrFail({ dataloader: true }) }),
    status: t.field({ type: RunItemStatusRef, resolve: ({ status }) => status }),
    applied: t.stringList({
      description:
        'Migrations that it applied or, if its kind is not UP, took back; in a dry run, those that it tried.',
      resolve: ({ applied }) => applied,
    }),
    attempts: t.exposeInt('attempts'),
    error: t.string({ nullable: true, resolve: ({ error }) => error ?? null }),
    durationMs: t.float({ nullable: true, resolve: ({ durationMs }) => durationMs ?? null }),
  }),
});

const RunRef = builder.objectType(MigrationRun, {
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
        description: 'Its tenants, in the order in which they are started.',
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

const EventRef = builder.objectRef<RunEvent>('MigrationEvent').implement({
  description: 'Something that happened in a run.',
  fields: (t) => ({
    seq: t.exposeInt('seq', { description: 'From 1, without gaps.' }),
    at: t.field({ type: 'DateTime', resolve: ({ at }) => at }),
    kind: t.exposeString('kind', { description: describeKinds() }),
    tenant: t.loadable({
      type: TenantRef,
      nullable: true,
      load: async (ids: string[], { services }) => {
        const tenants = await services.catalog.fork().find(Tenant, { id: ids });
        const byId = new Map(tenants.map((tenant) => [tenant.id, tenant]));
        return ids.map((id) => byId.get(id) ?? null);
      },
      resolve: ({ tenantId }) => tenantId,
    }),
    migration: t.exposeString('migration', { nullable: true }),
    message: t.string({ description: 'For people.', resolve: ({ message }) => message ?? '' }),
    done: t.exposeInt('done', { description: 'Tenants that are done, well or not.' }),
    total: t.exposeInt('total', { description: "All the run's tenants." }),
    rate: t.exposeFloat('rate', { nullable: true, description: 'Tenants a second since the run began.' }),
    remainingSeconds: t.exposeFloat('remainingSeconds', { nullable: true, description: 'What is left, at that rate.' }),
  }),
});

const RunMigrationsInput = builder.inputType('RunMigrationsInput', {
  fields: (t) => ({
    tenants: t.idList({ description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({ description: 'The last migration to apply; by default the newest.' }),
    dryRun: t.boolean({ defaultValue: false, description: 'Apply each batch in a transaction, and roll it back.' }),
    continueOnError: t.boolean({ defaultValue: true, description: 'False: start no tenant after the first failure.' }),
    concurrency: t.int({ description: 'Tenants at once; by default the setting MIGRATION_CONCURRENCY.' }),
    waves: t.stringList({
      description:
        'Sizes, such as "1", "10%", "100%"; each starts when the one before has ended well: without failures, or without more than maxFailures.',
    }),
    canaries: t.idList({ description: 'Ids or slugs of tenants that go first.' }),
    maxFailures: t.int({ description: 'Start no further tenant after more failures than this.' }),
    checkpoint: t.field({
      type: CheckpointKindRef,
      description:
        'By default what each batch needs. SNAPSHOT: every tenant with a database of its own is copied first, and the copy stays as a checkpoint if the batch succeeds. TRANSACTION: batches that cannot be one transaction are refused.',
    }),
    verify: t.boolean({
      defaultValue: false,
      description: 'Look into every tenant, also those that the catalog calls current.',
    }),
    wait: t.boolean({ defaultValue: false, description: 'Answer only when the run has ended.' }),
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

const RollbackMigrationsInput = builder.inputType('RollbackMigrationsInput', {
  description: 'Say steps or to, not both.',
  fields: (t) => ({
    tenants: t.idList({ description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({ description: 'The migration that stays as the last one; all after it are taken back.' }),
    steps: t.int({ description: 'How many of the last ones are taken back.' }),
    dryRun: t.boolean({ defaultValue: false, description: 'Take each batch back in a transaction, and roll it back.' }),
    wait: t.boolean({ defaultValue: false, description: 'Answer only when the run has ended.' }),
  }),
});

builder.mutationFields((t) => ({
  runMigrations: t.field({
    type: RunRef,
    description: 'Starts a run and returns at once. Follow it with migrationProgress, or say wait: true.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: RunMigrationsInput }) },
    resolve: async (_root, { input }, context) => {
      const { runs, migrations, config } = context.services;
      const run = await startRun(runs, await migrations.tenant.read(), {
        tenants: input?.tenants ?? undefined,
        canaries: input?.canaries ?? undefined,
        ...(input?.to != null && { to: input.to }),
        dryRun: input?.dryRun ?? false,
        continueOnError: input?.continueOnError ?? true,
        concurrency: input?.concurrency ?? config.migrations.concurrency,
        ...(input?.maxFailures != null && { maxFailures: input.maxFailures }),
        ...(input?.waves && { waves: input.waves }),
        ...(input?.checkpoint && { checkpoint: input.checkpoint }),
        verify: input?.verify ?? false,
      });
      return showRun(context, run, input?.wait);
    },
  }),
  rollbackMigrations: t.field({
    type: RunRef,
    description: 'Starts a run that takes migrations back.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: RollbackMigrationsInput, required: true }) },
    resolve: async (_root, { input }, context) => {
      const { runs, migrations, config } = context.services;
      const run = await startRun(runs, await migrations.tenant.read(), {
        tenants: input.tenants ?? undefined,
        down: downTarget(input.steps, input.to),
        dryRun: input.dryRun ?? false,
        continueOnError: true,
        concurrency: config.migrations.concurrency,
        verify: false,
      });
      return showRun(context, run, input.wait);
    },
  }),
  undoMigrationRun: t.field({
    type: RunRef,
    description: 'Starts a run that takes back exactly what a run applied, tenant by tenant.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      const { runs, migrations, config } = context.services;
      const files = await migrations.tenant.read();
      return showRun(context, await undoRun(runs, files, runId('id', id), config.migrations.concurrency));
    },
  }),
  cancelMigrationRun: t.field({
    type: RunRef,
    description:
      'Stops a run: no more tenants are started. Those under way have SHUTDOWN_SECONDS to end, and are rolled back then.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      await cancelRun(context.services.runs, runId('id', id));
      return showRun(context, id);
    },
  }),
  resumeMigrationRun: t.field({
    type: RunRef,
    description: "Does a run's failed, cancelled and unstarted tenants again.",
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      await resumeRun(context.services.runs, runId('id', id));
      return showRun(context, id);
    },
  }),
}));

builder.subscriptionField('migrationProgress', (t) =>
  t.field({
    type: EventRef,
    description: "A run's events after `after`, then each as it happens. It ends when the run does.",
    authScopes: { platformAdmin: true },
    args: { run: t.arg.id({ required: true }), after: t.arg.int({ defaultValue: 0 }) },
    subscribe: (_root, { run, after }, { services, signal }) =>
      followRun(services.catalog, services.listener, runId('run', run), after ?? 0, signal),
    resolve: (event) => event,
  }),
);

async function showRun({ services, signal }: Context, id: string, wait?: boolean | null): Promise<MigrationRun> {
  if (wait) {
    const events = followRun(services.catalog, services.listener, id, 0, signal);
    while (!(await events.next()).done);
  }
  return services.catalog.fork().findOneOrFail(MigrationRun, { id });
}

function downTarget(steps: number | null | undefined, to: string | null | undefined): DownTarget {
  if ((steps == null) === (to == null)) throw badInput('steps', 'Say either steps or to: how much is to be taken back');
  if (to != null) return { kind: 'to', to };
  if (steps == null || steps < 1) throw badInput('steps', 'steps must be 1 or more');
  return { kind: 'steps', steps };
}

function itemsWhere(run: string, status: RunItemStatus | null | undefined) {
  return status ? { run, status } : { run };
}

function runId(field: string, id: string): string {
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
