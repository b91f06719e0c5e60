import { expect } from 'vitest';
import { lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { quoteIdentifier, quoteLiteral } from '../../src/postgres/sql/quote.ts';
import { eventually } from './eventually.ts';
import type { FaultLab } from './fault-lab.ts';
import type { Fleet, ShownEvent, ShownRun } from './fleet.ts';

/** A tenant's migrations according to four sources; rounds are named by their migrations. */
interface TenantFacts {
  readonly slug: string;
  /** Its history: name and hash. */
  readonly history: readonly string[];
  /** The catalog: the same. */
  readonly catalog: readonly string[];
  /** The rounds whose tables are there. */
  readonly tables: readonly string[];
  /** The migrations whose indexes are there, and valid. */
  readonly indexes: readonly string[];
  /** Each round as often as it has run. */
  readonly log: readonly string[];
}

/**
 * Looks into every tenant and everything in `auth` after a run has ended, and fails where two witnesses disagree, something
 * was done twice or half, or anything is left over.
 */
export async function auditRun(lab: FaultLab, id: string): Promise<ShownRun> {
  const { fleet } = lab;
  const run = await fleet.runNow(id);
  expect(['PENDING', 'RUNNING'], 'the run has ended').not.toContain(run.status);
  auditEvents(run, await fleet.events(id));
  auditCounts(run);
  auditStatus(run);
  const facts = await tenantFacts(fleet);
  for (const { slug, history, catalog, tables, indexes, log } of facts) {
    expect(catalog, `the catalog and the history of ${slug}`).toEqual(history);
    const names = history.map((line) => line.split(' ')[0] ?? '');
    const rounds = names.filter((name) => name.endsWith('_round'));
    expect(tables, `the tables and the history of ${slug}`).toEqual(rounds);
    const built = names.filter((name) => /^20270102.*_index$/.test(name));
    expect(indexes, `the indexes and the history of ${slug}`).toEqual(built);
    expect(log, `what has run in ${slug}, and its history`).toEqual(rounds);
  }
  const has = new Map(facts.map(({ slug, log }) => [slug, new Set(log)]));
  for (const { tenant, status, applied } of run.items.nodes) {
    if (run.dryRun) continue;
    expect(applied.length > 0, `${tenant.slug}: ${status} with ${applied}`).toBe(status === 'SUCCEEDED');
    for (const name of applied.filter((each) => each.endsWith('_round')))
      expect(has.get(tenant.slug), `${tenant.slug} has what the run applied`).toContain(name);
  }
  await auditRemains(fleet);
  return run;
}

function auditEvents({ id, items, cancelled }: ShownRun, events: readonly ShownEvent[]): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const count = (kind: string) => events.filter((event) => event.kind === kind).length;
  expect(events[0]?.kind).toBe('RUN_STARTED');
  expect(events.at(-1)).toMatchObject({ kind: 'RUN_ENDED', done: (events[0]?.total ?? 0) - cancelled });
  expect(count('RUN_ENDED'), `ends of ${id}`).toBe(1 + count('RUN_RESUMED'));
  // Resuming divides a run into rounds; in each a tenant starts and ends once at most.
  const rounds: ShownEvent[][] = [[]];
  for (const event of events) {
    if (event.kind === 'RUN_RESUMED') rounds.push([]);
    rounds.at(-1)?.push(event);
  }
  const slugsOf = (round: readonly ShownEvent[], kinds: readonly string[]) =>
    round.filter(({ kind }) => kinds.includes(kind)).map(({ tenant }) => tenant?.slug);
  for (const round of rounds) {
    for (const kinds of [['TENANT_STARTED'], ['TENANT_SUCCEEDED', 'TENANT_SKIPPED', 'TENANT_FAILED']]) {
      const slugs = slugsOf(round, kinds);
      expect(slugs.toSorted(), kinds.join()).toEqual([...new Set(slugs)].toSorted());
    }
    const done = round.filter(({ kind }) => kind !== 'RUN_RESUMED').map((event) => event.done);
    expect(done, 'the number of tenants that are done').toEqual(done.toSorted((a, b) => a - b));
  }
  const succeeded = items.nodes.filter(({ status }) => status === 'SUCCEEDED').map(({ tenant }) => tenant.slug);
  expect(slugsOf(events, ['TENANT_SUCCEEDED']).toSorted()).toEqual(succeeded.toSorted());
}

function auditCounts({ total, succeeded, failed, skipped, cancelled, items }: ShownRun): void {
  const count = (status: string) => items.nodes.filter((item) => item.status === status).length;
  expect({ total, succeeded, failed, skipped, cancelled }).toEqual({
    total: items.totalCount,
    succeeded: count('SUCCEEDED'),
    failed: count('FAILED'),
    skipped: count('SKIPPED'),
    cancelled: count('CANCELLED'),
  });
  expect(succeeded + failed + skipped + cancelled).toBe(total);
}

async function tenantFacts(fleet: Fleet): Promise<TenantFacts[]> {
  const tenants = await fleet.inCatalog<{ slug: string; database: string; schema: string; catalog: string[] }>(
    `SELECT slug, database, schema,
       ARRAY(SELECT a ->> 'name' || ' ' || (a ->> 'hash') FROM jsonb_array_elements(s.applied) AS a ORDER BY a ->> 'name') AS catalog
     FROM tenants t LEFT JOIN migration_states s ON s.id = t.migration_state ORDER BY slug`,
  );
  const facts: TenantFacts[] = [];
  for (const database of new Set(tenants.map((tenant) => tenant.database))) {
    const inside = tenants.filter((tenant) => tenant.database === database);
    const session = await fleet.session(database);
    const { rows } = await session.query<Omit<TenantFacts, 'catalog'>>(inside.map(factsSql).join(' UNION ALL '));
    await fleet.end(session);
    for (const row of rows)
      facts.push({ ...row, catalog: inside.find(({ slug }) => slug === row.slug)?.catalog ?? [] });
  }
  return facts;
}

function factsSql({ slug, schema }: { readonly slug: string; readonly schema: string }): string {
  const own = quoteIdentifier(schema);
  return `SELECT ${quoteLiteral(slug)} AS slug,
    ARRAY(SELECT name || ' ' || hash FROM ${own}.migration_history WHERE status = 'APPLIED' ORDER BY name) AS history,
    ARRAY(SELECT '20270102' || substr(tablename, 7) || '_round' FROM pg_tables
      WHERE schemaname = ${quoteLiteral(schema)} AND tablename ~ '^round_' ORDER BY 1)::text[] AS tables,
    ARRAY(SELECT '20270102' || substr(relname, 7) || CASE WHEN indisvalid THEN '_index' ELSE ' is INVALID' END
      FROM pg_index JOIN pg_class c ON c.oid = indexrelid
      WHERE relnamespace = ${quoteLiteral(own)}::regnamespace AND relname ~ '^index_' ORDER BY 1)::text[] AS indexes,
    ARRAY(SELECT name FROM ${own}.migration_log ORDER BY name) AS log`;
}

/** What a run says of itself, and what came of its tenants. */
function auditStatus({ status, failed, cancelled }: ShownRun): void {
  const about = `${status} with ${failed} failed, ${cancelled} not started`;
  if (cancelled > 0) expect(['HALTED', 'CANCELLED'], about).toContain(status);
  else expect(status, about).toBe(failed > 0 ? 'FAILED' : 'SUCCEEDED');
}

/** The last changes, such as the end of a process, may take a moment. */
async function auditRemains(fleet: Fleet): Promise<void> {
  let remains: unknown;
  await eventually(
    () => `nothing is left over, but there are ${JSON.stringify(remains)}`,
    async () => {
      const [row] = await fleet.inCatalog<Record<string, number>>(
        `SELECT (SELECT count(*)::int FROM migration_run_items
           WHERE status IN ('PENDING', 'RUNNING') OR claimed_by IS NOT NULL OR claim IS NOT NULL OR not_before IS NOT NULL) AS items,
         (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND classid = ${lockKind.migrate}) AS locks,
         (SELECT count(*)::int FROM tenant_maintenances) AS maintenances,
         (SELECT count(*)::int FROM pg_database d WHERE datname ~ '^snap_'
           AND NOT EXISTS (SELECT FROM checkpoints c WHERE c.database = d.datname AND NOT is_dropping)) AS snapshots,
         (SELECT count(*)::int FROM pg_stat_activity WHERE state LIKE 'idle in transaction%') AS transactions`,
      );
      remains = row;
      return row && Object.values(row).every((count) => count === 0);
    },
  );
}
