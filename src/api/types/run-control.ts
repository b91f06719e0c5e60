import { type DownTarget, MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import { followRun } from '../../fleet/events/events.ts';
import { runOrders } from '../../fleet/runs/smallest-first.ts';
import { badInput } from '../../lib/errors.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { CheckpointKindRef } from './checkpoint.ts';
import { RunRef, runId } from './run.ts';

const RunOrderRef = builder.enumType('RunOrder', {
  description: 'CREATED: the oldest tenant first. SIZE: the tenant with the smallest tables first.',
  values: runOrders,
});

const RunMigrationsInput = builder.inputType('RunMigrationsInput', {
  fields: (t) => ({
    tenants: t.idList({ maxItems: 10_000, description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({ maxLength: 255, description: 'The last migration to apply; by default the newest.' }),
    dryRun: t.boolean({ defaultValue: false, description: 'Apply each batch in a transaction and roll it back.' }),
    continueOnError: t.boolean({
      defaultValue: true,
      description: 'If false, no tenant is started after the first failure.',
    }),
    concurrency: t.int({
      description: 'How many tenants to migrate at once; by default the setting MIGRATION_CONCURRENCY.',
    }),
    waves: t.stringList({
      maxLength: 10,
      description:
        'Sizes of waves, such as "1", "10%", "100%". Each wave starts when the previous one has ended without failures, or with at most maxFailures.',
    }),
    canaries: t.idList({ maxItems: 10_000, description: 'Ids or slugs of the tenants to migrate first.' }),
    order: t.field({
      type: RunOrderRef,
      defaultValue: 'CREATED',
      description: 'The order of the tenants, after the canaries. Tenants whose size cannot be read come last.',
    }),
    maxFailures: t.int({ description: 'No further tenant is started after more failures than this.' }),
    checkpoint: t.field({
      type: CheckpointKindRef,
      description:
        'By default, whatever each batch needs. SNAPSHOT: every tenant with its own database is copied first, and the copy is kept as a checkpoint if the batch succeeds. TRANSACTION: batches that cannot run in one transaction are refused.',
    }),
    separateTransactions: t.boolean({
      defaultValue: false,
      description:
        'Commit each migration by itself, so that locks on tables are held for less time. If one fails, down() reverts those before it.',
    }),
    verify: t.boolean({
      defaultValue: false,
      description: 'Check the database of every tenant, including those that are up to date according to the catalog.',
    }),
    wait: t.boolean({ defaultValue: false, description: 'Return only when the run has ended.' }),
  }),
});

const RollbackMigrationsInput = builder.inputType('RollbackMigrationsInput', {
  description: 'Set either steps or to.',
  fields: (t) => ({
    tenants: t.idList({ maxItems: 10_000, description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({
      maxLength: 255,
      description: 'The last migration to keep; all later ones are reverted.',
    }),
    steps: t.int({ description: 'How many of the latest migrations to revert.' }),
    dryRun: t.boolean({ defaultValue: false, description: 'Revert each batch in a transaction and roll it back.' }),
    wait: t.boolean({ defaultValue: false, description: 'Return only when the run has ended.' }),
  }),
});

builder.mutationFields((t) => ({
  runMigrations: t.field({
    type: RunRef,
    description: 'Starts a run and returns at once. Follow it with migrationProgress, or set wait: true.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: RunMigrationsInput }) },
    resolve: async (_root, { input }, context) => {
      const run = await context.services.runs.start({
        tenants: input?.tenants ?? undefined,
        canaries: input?.canaries ?? undefined,
        ...(input?.to != null && { to: input.to }),
        dryRun: input?.dryRun ?? false,
        continueOnError: input?.continueOnError ?? true,
        concurrency: input?.concurrency,
        order: input?.order,
        ...(input?.maxFailures != null && { maxFailures: input.maxFailures }),
        ...(input?.waves && { waves: input.waves }),
        ...(input?.checkpoint && { checkpoint: input.checkpoint }),
        ...(input?.separateTransactions && { separateTransactions: true }),
        verify: input?.verify ?? false,
      });
      return showRun(context, run, input?.wait);
    },
  }),
  rollbackMigrations: t.field({
    type: RunRef,
    description: 'Starts a run that reverts migrations.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: RollbackMigrationsInput, required: true }) },
    resolve: async (_root, { input }, context) => {
      const run = await context.services.runs.start({
        tenants: input.tenants ?? undefined,
        down: downTarget(input.steps, input.to),
        dryRun: input.dryRun ?? false,
        continueOnError: true,
        verify: false,
      });
      return showRun(context, run, input.wait);
    },
  }),
  undoMigrationRun: t.field({
    type: RunRef,
    description: 'Starts a run that reverts exactly what another run applied, tenant by tenant.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => showRun(context, await context.services.runs.undo(runId('id', id))),
  }),
  cancelMigrationRun: t.field({
    type: RunRef,
    description:
      'Stops a run: no more tenants are started. Tenants in progress are rolled back unless they finish within SHUTDOWN_SECONDS.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      await context.services.runs.cancel(runId('id', id));
      return showRun(context, id);
    },
  }),
  resumeMigrationRun: t.field({
    type: RunRef,
    description: "Retries a run's failed, cancelled and unstarted tenants, with the current migration files.",
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      await context.services.runs.resume(runId('id', id));
      return showRun(context, id);
    },
  }),
}));

async function showRun(context: Context, id: string, wait?: boolean | null): Promise<MigrationRun> {
  const { services } = context;
  if (wait) await untilEnded(context, id);
  return services.catalog.fork().findOneOrFail(MigrationRun, { id });
}

/** Waits for the end of a run, or of the request. */
export async function untilEnded({ services, signal }: Context, run: string): Promise<void> {
  const events = followRun(services.catalog, services.listener, run, 0, signal());
  while (!(await events.next()).done);
}

function downTarget(steps: number | null | undefined, to: string | null | undefined): DownTarget {
  if ((steps == null) === (to == null)) throw badInput('steps', 'Set either steps or to');
  if (to != null) return { kind: 'to', to };
  if (steps == null || steps < 1) throw badInput('steps', 'steps must be 1 or more');
  return { kind: 'steps', steps };
}
