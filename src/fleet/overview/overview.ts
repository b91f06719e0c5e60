import type { Catalog } from '../../catalog/catalog.ts';
import type { MigrationFolders } from '../../migrator/files/migration-folders.ts';
import { type FleetCellPage, readFleetCells } from './cells.ts';
import { StateSummaries } from './state-summaries.ts';

/** What is shown of the whole fleet at once, from the catalog. */
export class FleetOverview {
  readonly #catalog: Catalog;
  readonly #migrations: Pick<MigrationFolders, 'tenant'>;
  readonly #states = new StateSummaries();

  constructor(catalog: Catalog, migrations: Pick<MigrationFolders, 'tenant'>) {
    this.#catalog = catalog;
    this.#migrations = migrations;
  }

  /** See {@link readFleetCells}. */
  async cells(after: string | null | undefined): Promise<FleetCellPage> {
    const files = await this.#migrations.tenant.read();
    return readFleetCells({ catalog: this.#catalog, states: this.#states, files }, after);
  }
}
