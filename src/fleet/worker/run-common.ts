import type pg from 'pg';
import type { MigrateOutcome } from '../../migrator/apply/batch.ts';
import type { NewRecord } from '../../migrator/files/history.ts';
import type { InstallationRoles } from '../../routing/placement.ts';
import {
  applyCommon,
  CommonFailedError,
  type CommonLine,
  readersOfCommon,
  rehearseCommon,
} from '../../servers/shared/common-line.ts';
import type { NewRunEvent } from '../events/append.ts';
import type { RunItem } from './claim.ts';
import type { CommonReport, ItemResult } from './write-results.ts';

interface RunCommonOptions extends Omit<CommonLine, 'grantee'> {
  readonly roles: InstallationRoles;
}

/** The migrations of `common` in one run: they are applied to each database before its tenants are migrated. */
export class RunCommon {
  readonly #options: RunCommonOptions;
  /** The shared databases that are done, or that a tenant of this process is working on. */
  readonly #shared = new Map<string, Promise<MigrateOutcome | undefined>>();

  constructor(options: RunCommonOptions) {
    this.#options = options;
  }

  /**
   * Applies what is pending to the tenant's database. The tenants of a shared database wait for the first of them, and
   * share its failure.
   * @param client the owner's connection, outside a transaction
   * @returns undefined if there is nothing to report, or another tenant reports it
   * @throws {CommonFailedError}
   */
  async apply(client: pg.Client, item: RunItem): Promise<CommonReport | undefined> {
    if (this.#options.files.length === 0) return undefined;
    if (item.isolation === 'DATABASE') return reportOf(item, await this.#applyTo(client, item));
    const key = `${item.server} ${item.database}`;
    for (let begun = this.#shared.get(key); begun; begun = this.#shared.get(key)) {
      try {
        await begun;
        return undefined;
      } catch (error) {
        if (isFinal(error)) throw error;
      }
    }
    const applying = this.#applyTo(client, item);
    this.#shared.set(key, applying);
    try {
      return reportOf(item, await applying);
    } catch (error) {
      if (!isFinal(error)) this.#shared.delete(key);
      throw error;
    }
  }

  /** Tries what is pending, in the open transaction of a dry run; see {@link rehearseCommon}. */
  rehearse(client: pg.Client, item: RunItem): Promise<string | undefined> {
    return rehearseCommon(client, item.database, this.#lineFor(item));
  }

  #applyTo(client: pg.Client, item: RunItem): Promise<MigrateOutcome | undefined> {
    return applyCommon(client, item.database, this.#lineFor(item));
  }

  #lineFor({ isolation }: RunItem): CommonLine {
    const { roles, ...line } = this.#options;
    return { ...line, grantee: readersOfCommon(roles, isolation) };
  }
}

/** Adds what was done to `common` to the result of an attempt. */
export function addReport<Ended extends Pick<ItemResult, 'status' | 'applied' | 'events'>>(
  item: RunItem,
  ended: Ended,
  report: CommonReport,
): Ended & { readonly common: CommonReport } {
  const { records } = report;
  if (records.length === 0) return { ...ended, common: report };
  const isSkipped = ended.status === 'SKIPPED';
  const own = isSkipped
    ? [{ kind: 'TENANT_SUCCEEDED' as const, tenantId: item.tenantId, message: 'done' }]
    : ended.events;
  return {
    ...ended,
    common: report,
    ...(isSkipped && { status: 'SUCCEEDED' }),
    applied: [...records.map(({ name }) => name), ...ended.applied],
    events: [...commonEvents(item, records), ...own],
  };
}

/** The events that tell what was done to `common` on behalf of a tenant. */
function commonEvents({ tenantId, database }: RunItem, records: readonly NewRecord[]): NewRunEvent[] {
  return records.map(({ name, durationMs, endedAt }) => ({
    kind: 'MIGRATION_APPLIED',
    tenantId,
    migration: name,
    message: `applied to the schema common of ${database} in ${Math.ceil(durationMs)} ms`,
    happenedAt: endedAt,
  }));
}

function reportOf({ server, database }: RunItem, outcome: MigrateOutcome | undefined): CommonReport | undefined {
  if (!outcome) return undefined;
  const { applied, observedAt, records } = outcome;
  return { state: { server, database, applied, observedAt }, records };
}

function isFinal(error: unknown): boolean {
  return error instanceof CommonFailedError && error.isFinal;
}
