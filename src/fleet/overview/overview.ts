import type { Catalog } from '../../catalog/catalog.ts';
import { elapsedSince } from '../../lib/time.ts';
import type { MigrationFolders } from '../../migrator/files/migration-folders.ts';
import { type FleetCellPage, readFleetCells } from './cells.ts';
import { type FleetCounts, readFleetCounts } from './fleet-counts.ts';
import { StateSummaries } from './state-summaries.ts';

/** The counts are reused for this many times as long as it took to make them, and for a second at most. */
const REUSE = 10;
const MAX_REUSE_MS = 1_000;

/** What is shown of the whole fleet at once, from the catalog. */
export class FleetOverview {
  readonly #catalog: Catalog;
  readonly #migrations: Pick<MigrationFolders, 'tenant'>;
  readonly #states = new StateSummaries();
  #counts: Promise<FleetCounts> | undefined;

  constructor(catalog: Catalog, migrations: Pick<MigrationFolders, 'tenant'>) {
    this.#catalog = catalog;
    this.#migrations = migrations;
  }

  /** See {@link readFleetCells}. */
  async cells(after: string | null | undefined): Promise<FleetCellPage> {
    const files = await this.#migrations.tenant.read();
    return readFleetCells({ catalog: this.#catalog, states: this.#states, files }, after);
  }

  /**
   * Counts the tenants. However many callers ask, a tenth of one connection's time is spent on it: in a fleet of 100,000 tenants the
   * counts may be a second old, in a small one a few milliseconds.
   */
  counts(): Promise<FleetCounts> {
    this.#counts ??= this.#count();
    return this.#counts;
  }

  async #count(): Promise<FleetCounts> {
    const start = performance.now();
    const forget = () => {
      this.#counts = undefined;
    };
    try {
      const files = await this.#migrations.tenant.read();
      const counts = await this.#catalog.use((client) => readFleetCounts(client, files, this.#states));
      setTimeout(forget, Math.min(REUSE * elapsedSince(start), MAX_REUSE_MS)).unref();
      return counts;
    } catch (error) {
      forget();
      throw error;
    }
  }
}
