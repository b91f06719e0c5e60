import { MAX_CELL_CURSOR } from '../../../fleet/overview/cell-cursor.ts';
import { type FleetCell, type FleetCellPage, MAX_CELLS } from '../../../fleet/overview/cells.ts';
import type { StateSummary } from '../../../fleet/overview/state-summaries.ts';
import { builder } from '../../builder.ts';
import { MAX_TEXTS } from '../../limits/list-sizes.ts';
import { IsolationRef, TenantStatusRef } from '../tenant.ts';

/** The cost of a field of a cell: it has no resolver of its own, and its row is small. */
const COST = 0.1;

/** The length of a state's id in answers: enough to tell the states of a fleet apart. */
const STATE_LENGTH = 12;

const CellRef = builder.objectRef<FleetCell>('FleetCell').implement({
  description: 'What a picture of the fleet shows of one tenant.',
  fields: (t) => ({
    id: t.exposeID('id', { cost: COST }),
    slug: t.exposeString('slug', { cost: COST }),
    status: t.field({ type: TenantStatusRef, cost: COST, resolve: ({ status }) => status }),
    isolation: t.field({ type: IsolationRef, cost: COST, resolve: ({ isolation }) => isolation }),
    server: t.exposeString('server', { cost: COST }),
    state: t.string({
      nullable: true,
      cost: COST,
      description: 'The `id` of one of `states`. Null while its migrations are unknown: it lacks all of them.',
      resolve: ({ state }) => state?.slice(0, STATE_LENGTH) ?? null,
    }),
  }),
});

const StateRef = builder.objectRef<StateSummary>('FleetState').implement({
  description: 'A list of applied migrations, which many tenants share.',
  fields: (t) => ({
    id: t.string({ cost: COST, resolve: ({ id }) => id.slice(0, STATE_LENGTH) }),
    version: t.exposeString('version', {
      nullable: true,
      cost: COST,
      description: 'The last migration applied. Null if none is.',
    }),
    behind: t.exposeInt('behind', { cost: COST, description: 'How many migrations are missing.' }),
  }),
});

const CellPageRef = builder.objectRef<FleetCellPage>('FleetCells').implement({
  description: 'A part of the fleet, or of its changes.',
  fields: (t) => ({
    cells: t.field({
      type: [CellRef],
      maxItems: MAX_CELLS,
      description: 'Tenants that are new to the reader or have changed. They replace earlier cells with the same id.',
      resolve: ({ cells }) => cells,
    }),
    deleted: t.idList({
      maxItems: MAX_CELLS,
      description: 'The ids of tenants that no longer exist. The reader may never have seen them.',
      resolve: ({ deleted }) => deleted,
    }),
    states: t.field({
      type: [StateRef],
      maxItems: MAX_TEXTS,
      description: `The states of all tenants, in every answer: \`behind\` also changes when the code gets a new migration, and no cell does. At most ${MAX_TEXTS}.`,
      resolve: ({ states }) => states.slice(0, MAX_TEXTS),
    }),
    hasMore: t.exposeBoolean('hasMore', { description: 'Whether to ask for more at once, with `after: cursor`.' }),
    cursor: t.exposeString('cursor', {
      description: 'The value of `after` for the next request. It is valid for a day.',
    }),
  }),
});

builder.queryField('fleetCells', (t) =>
  t.field({
    type: CellPageRef,
    nullable: true,
    authScopes: { platformAdmin: true },
    description: `All tenants, compact and in pages of up to ${MAX_CELLS}, for a picture of the fleet that stays current. Ask without \`after\` first, and then always with the \`cursor\` of the last answer: while \`hasMore\` is true, it continues the list. Afterwards, every request returns only what has changed since the one before, deletions included, so ask again every second or so. A tenant may be repeated; no change is missed. If a cursor is refused with BAD_USER_INPUT, because it is too old, start again without one.`,
    args: { after: t.arg.string({ maxLength: MAX_CELL_CURSOR }) },
    resolve: (_root, { after }, { services }) => services.fleet.cells(after),
  }),
);
