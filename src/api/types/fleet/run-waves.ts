import { MigrationRun } from '../../../catalog/entities/migration-run.entity.ts';
import { MAX_WAVES, readWaves, type WaveStatus, waveStatuses } from '../../../fleet/runs/wave-status.ts';
import { builder } from '../../builder.ts';

/** The cost of a field of a wave: it is in memory already. */
const COST = 0.1;

const WaveStatusRef = builder.enumType('MigrationWaveStatus', { values: waveStatuses });

const WaveRef = builder.objectRef<WaveStatus>('MigrationWave').implement({
  description: 'How far a wave of a run is.',
  fields: (t) => ({
    number: t.exposeInt('number', { cost: COST, description: 'From 1.' }),
    size: t.exposeInt('size', { cost: COST, description: 'Its tenants.' }),
    status: t.field({ type: WaveStatusRef, cost: COST, resolve: ({ status }) => status }),
    done: t.exposeInt('done', {
      cost: COST,
      description: 'Tenants that have ended, whether they succeeded or failed.',
    }),
    failed: t.exposeInt('failed', { cost: COST }),
    remaining: t.exposeInt('remaining', {
      cost: COST,
      description: 'Tenants that are in progress or will be. Not those that a stopped run left out.',
    }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      cost: COST,
      description: 'When work on its first tenant began.',
      resolve: ({ startedAt }) => startedAt,
    }),
    endedAt: t.field({
      type: 'DateTime',
      nullable: true,
      cost: COST,
      description: 'When its last tenant ended.',
      resolve: ({ endedAt }) => endedAt,
    }),
  }),
});

builder.objectField(MigrationRun, 'waveStatus', (t) =>
  t.loadableList({
    type: WaveRef,
    maxItems: MAX_WAVES,
    // It reads all tenants of the run.
    cost: 10,
    description: `The waves in order, a single one if the run was not divided; at most the first ${MAX_WAVES}. Tenants that were up to date at the start belong to none. If the run was resumed, these are the waves of the tenants that it still had to migrate.`,
    load: (runs: string[], { services }) => services.catalog.use((client) => readWaves(client, runs)),
    resolve: ({ id }) => id,
  }),
);
