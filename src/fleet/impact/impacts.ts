import type pg from 'pg';
import type { Logger } from 'pino';
import type { KnownTenant } from '../../catalog/tenant-directory.ts';
import { AppError } from '../../lib/errors.ts';
import { withScratchDatabase } from '../../migrator/authoring/scratch-database.ts';
import { commonSchema } from '../../migrator/files/common-schema.ts';
import type { TableWork } from '../../migrator/lint/risk.ts';
import { type Servers, serverNamed } from '../../postgres/server.ts';
import type { FleetPlan } from '../plan.ts';
import { type ConcernedTenants, warningsWithTenants } from '../plan-warnings.ts';
import { type ReadLimits, readInTenants } from '../read-in-tenants.ts';
import { type Estimate, type Impact, impactOf } from './impact.ts';
import { makeSample, measureWork } from './sample-table.ts';
import { readTableShape } from './table-shape.ts';
import { readTableSize, type TableName, type TableSize } from './table-size.ts';

/** What measuring needs. */
export interface ImpactsOptions {
  readonly servers: Servers;
  /** The name of the auth database, from which the scratch database's name is derived. */
  readonly authDatabase: string;
  /** The number of tenants that are read at once. */
  readonly concurrency: number;
  readonly log: Logger;
}

/** How long tenants are read, and how long rates are measured, in milliseconds. */
const READ_MS = 60_000;
const MEASURE_MS = 30_000;
/** How long to wait for another process's scratch database, in milliseconds. */
const SCRATCH_WAIT_MS = 10_000;

/** A statement that concerns a table, and the size of the table in the tenants. */
interface Found {
  readonly concerned: ConcernedTenants;
  readonly table: string;
  readonly sizes: ReadonlyMap<KnownTenant, TableSize>;
}

/** Finds out what dangerous statements will meet in the tenants. It changes nothing, and measures one plan at a time. */
export class Impacts {
  readonly #options: ImpactsOptions;
  #isBusy = false;

  constructor(options: ImpactsOptions) {
    this.#options = options;
  }

  /**
   * Reads how large the tables are that the statements of a plan concern, and estimates how long these are locked. It reads for
   * a limited time, and for the rates, it fills tables in a scratch database with sample rows.
   * @throws {AppError} SERVER_BUSY if another plan is being measured, CONFLICT if this process only serves requests
   */
  async measure(plan: Pick<FleetPlan, 'tenants'>): Promise<readonly Impact[]> {
    if (this.#isBusy) {
      throw new AppError('SERVER_BUSY', 'The impact of another plan is being measured. Try again in a moment.', {
        details: { retryAfterMs: 5_000 },
      });
    }
    this.#isBusy = true;
    try {
      const found = await this.#readSizes(warningsWithTenants(plan));
      const measureUntil = performance.now() + MEASURE_MS;
      const tables = Map.groupBy(found, ({ concerned: { isCommon }, table }) => `${isCommon} ${table}`);
      const impacts: Impact[] = [];
      for (const those of tables.values()) {
        const estimates = await this.#estimate(those, measureUntil).catch((error: unknown) => {
          this.#options.log.warn({ err: error }, 'could not measure how long tables are locked');
          return undefined;
        });
        impacts.push(
          ...those.map(({ concerned, table, sizes }) =>
            impactOf(concerned, table, sizes, estimates?.get(keyOf(concerned.warning.work)) ?? unknown),
          ),
        );
      }
      return found.flatMap(({ concerned }) => impacts.filter(({ warning }) => warning === concerned.warning));
    } finally {
      this.#isBusy = false;
    }
  }

  /** Reads all tables of a tenant that statements concern in one go. */
  async #readSizes(all: readonly ConcernedTenants[]): Promise<readonly Found[]> {
    const wanted = new Map<KnownTenant, Map<string, TableName>>();
    const chosen = all.flatMap((each) => {
      const { table } = each.warning;
      if (table === undefined) return [];
      const concerned = each.isCommon ? { ...each, tenants: onePerDatabase(each.tenants) } : each;
      for (const tenant of concerned.tenants) {
        const name = nameOf(concerned, table, tenant);
        wanted.set(tenant, (wanted.get(tenant) ?? new Map()).set(keyOf(name), name));
      }
      return [{ concerned, table }];
    });
    const read = async (client: pg.Client, tenant: KnownTenant) => {
      const sizes = new Map<string, TableSize>();
      for (const [key, name] of wanted.get(tenant) ?? []) {
        const size = await readTableSize(client, name);
        if (size) sizes.set(key, size);
      }
      return sizes;
    };
    const found = await readInTenants(this.#options.servers, [...wanted.keys()], read, this.#limits(READ_MS));
    return chosen.map(({ concerned, table }) => ({
      concerned,
      table,
      sizes: new Map(
        concerned.tenants.flatMap((tenant) => {
          const size = found.get(tenant)?.get(keyOf(nameOf(concerned, table, tenant)));
          return size ? [[tenant, size]] : [];
        }),
      ),
    }));
  }

  /** Measures what the statements do on a sample of the largest tenant's table. */
  async #estimate(those: readonly Found[], until: number): Promise<ReadonlyMap<string, Estimate>> {
    const estimates = new Map<string, Estimate>();
    const [first] = those;
    const works = those.flatMap(({ concerned }) => concerned.warning.work ?? []);
    const sizes = those.flatMap((found) => [...found.sizes]).sort(([, a], [, b]) => b.rows - a.rows);
    const [largest] = sizes;
    if (!first || !largest || works.length === 0 || performance.now() > until) return estimates;
    const [tenant, size] = largest;
    const { servers, authDatabase } = this.#options;
    const name = nameOf(first.concerned, first.table, tenant);
    const read = async (client: pg.Client) => ({
      shape: await readTableShape(client, name),
      otherRows: await readOtherRows(client, name.schema, works),
    });
    const largestTable = (await readInTenants(servers, [tenant], read, this.#limits(MEASURE_MS))).get(tenant);
    if (!largestTable) return estimates;
    const { shape, otherRows } = largestTable;
    const scratch = { server: serverNamed(servers, tenant.server), authDatabase, waitMs: SCRATCH_WAIT_MS };
    await withScratchDatabase(scratch, async (client) => {
      const sample = await makeSample(client, shape, size);
      for (const work of works) {
        if (estimates.has(keyOf(work)) || performance.now() > until) continue;
        // What cannot be done with sample rows, such as an index of a type without an order, has no estimate.
        const ms = await measureWork(client, sample, work, otherRows.get(work)).catch(() => undefined);
        if (ms !== undefined) estimates.set(keyOf(work), (table) => ms * timesLarger(table, sample));
      }
    });
    return estimates;
  }

  #limits(totalMs: number): ReadLimits {
    return { concurrency: this.#options.concurrency, totalMs };
  }
}

/** Reads how many rows the tables have in which rows are looked up. */
async function readOtherRows(
  client: pg.Client,
  schema: string,
  works: readonly TableWork[],
): Promise<ReadonlyMap<TableWork, number>> {
  const rows = new Map<TableWork, number>();
  for (const work of works) {
    const { lookedUpIn } = work;
    if (!lookedUpIn) continue;
    const schemas = lookedUpIn.schema === undefined ? [schema, commonSchema] : [lookedUpIn.schema];
    for (const name of schemas) {
      const size = await readTableSize(client, { schema: name, table: lookedUpIn.table });
      if (!size) continue;
      rows.set(work, size.rows);
      break;
    }
  }
  return rows;
}

/** How much more work a table is than a sample. */
function timesLarger(table: TableSize, sample: TableSize): number {
  const byRows = table.rows / sample.rows;
  // A table from which rows were deleted has many bytes and few rows.
  return Math.max(byRows, Math.min(table.bytes / sample.bytes, MOST_BY_WIDTH * byRows));
}

/** How much more work a row is at most because it is larger than those of the sample. */
const MOST_BY_WIDTH = 10;

const unknown: Estimate = () => undefined;

function keyOf(value: TableWork | TableName | undefined): string {
  return JSON.stringify(value ?? null);
}

function nameOf({ isCommon }: ConcernedTenants, table: string, { schema }: KnownTenant): TableName {
  return { schema: isCommon ? commonSchema : schema, table };
}

/** The schema `common` is the same for all tenants of a database. */
function onePerDatabase(tenants: readonly KnownTenant[]): readonly KnownTenant[] {
  return [...new Map(tenants.map((tenant) => [JSON.stringify([tenant.server, tenant.database]), tenant])).values()];
}
