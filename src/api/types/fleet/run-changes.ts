import { MigrationRun } from '../../../catalog/entities/migration-run.entity.ts';
import { MAX_CHANGES, type RunChange, readChanges } from '../../../fleet/runs/changes.ts';
import { builder } from '../../builder.ts';

const ChangeRef = builder.objectRef<RunChange>('MigrationRunChange').implement({
  description: 'What a run did with one migration.',
  fields: (t) => ({
    migration: t.exposeString('migration'),
    tenants: t.exposeInt('tenants', {
      description: "How many tenants it was applied to or, if the run's kind is not UP, reverted in.",
    }),
  }),
});

builder.objectFields(MigrationRun, (t) => ({
  lastSeq: t.exposeInt('lastSeq', { description: 'The sequence number of its last event so far; 0 if there is none.' }),
  changes: t.loadableList({
    type: ChangeRef,
    maxItems: MAX_CHANGES,
    // It reads all tenants of the run.
    cost: 10,
    description: `The migrations that the run has applied or reverted; in a dry run, those that were tried. At most ${MAX_CHANGES}.`,
    load: (runs: string[], { services }) => services.catalog.use((client) => readChanges(client, runs)),
    resolve: ({ id }) => id,
  }),
}));
