import { type DownTarget, MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import { followRun } from '../../fleet/events/events.ts';
import { cancelRun, resumeRun } from '../../fleet/runs/control.ts';
import { startRun } from '../../fleet/runs/start.ts';
import { undoRun } from '../../fleet/runs/undo.ts';
import { badInput } from '../../lib/errors.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { CheckpointKindRef } from './checkpoint.ts';
import { RunRef, runId } from './run.ts';

const RunMigrationsInput = builder.inputType('RunMigrationsInput', {
  fields: (t) => ({
    tenants: t.idList({ maxItems: 10_000, description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({ maxLength: 255, description: 'The last migration to apply; by default the newest.' }),
    dryRun: t.boolean({ defaultValue: false, description: 'Apply each batch in a transaction, and roll it back.' }),
    continueOnError: t.boolean({ defaultValue: true, description: 'False: start no tenant after the first failure.' }),
    concurrency: t.int({ description: 'Tenants at once; by default the setting MIGRATION_CONCURRENCY.' }),
    waves: t.stringList({
      maxLength: 10,
      description:
        'Sizes, such as "1", "10%", "100%"; each starts when the one before has ended well: without failures, or without more than maxFailures.',
    }),
    canaries: t.idList({ maxItems: 10_000, description: 'Ids or slugs of tenants that go first.' }),
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

const RollbackMigrationsInput = builder.inputType('RollbackMigrationsInput', {
  description: 'Say steps or to, not both.',
  fields: (t) => ({
    tenants: t.idList({ maxItems: 10_000, description: 'Ids or slugs; by default the whole fleet.' }),
    to: t.string({
      maxLength: 255,
      description: 'The migration that stays as the last one; all after it are taken back.',
    }),
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
    description: "Does a run's failed, cancelled and unstarted tenants again, with the migrations as they are now.",
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      const { runs, migrations } = context.services;
      await resumeRun(runs, await migrations.tenant.read(), runId('id', id));
      return showRun(context, id);
    },
  }),
}));

async function showRun({ services, signal }: Context, id: string, wait?: boolean | null): Promise<MigrationRun> {
  if (wait) {
    const events = followRun(services.catalog, services.listener, id, 0, signal());
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
