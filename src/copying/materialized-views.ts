import type pg from 'pg';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../postgres/sql/quote.ts';
import type { CopySide } from './session.ts';

interface View {
  readonly id: string;
  readonly name: string;
  readonly kind: 'v' | 'm';
  readonly isPopulated: boolean;
  /** The ids of the views that it reads. */
  readonly reads: readonly string[];
}

/** Computes materialized views anew that the source has computed, each after those that it reads, and empties the others. */
export async function refreshViews(from: CopySide, to: CopySide): Promise<void> {
  const [source = [], target = []] = await Promise.all(
    [from, to].map(({ client, place }) => readViews(client, place.schema)),
  );
  const populated = new Set(source.filter(({ isPopulated }) => isPopulated).map(({ name }) => name));
  const views = inOrder(target).filter(
    ({ kind, name, isPopulated }) => kind === 'm' && (populated.has(name) || isPopulated),
  );
  for (const { name } of views) {
    const view = quoteQualified(to.place.schema, name);
    await to.client.query(`REFRESH MATERIALIZED VIEW ${view}${populated.has(name) ? '' : ' WITH NO DATA'}`);
  }
}

/** Returns views in an order in which each comes after those that it reads. */
function inOrder(views: readonly View[]): readonly View[] {
  const byId = new Map(views.map((view) => [view.id, view]));
  const ordered = new Set<View>();
  const add = (view: View) => {
    if (ordered.has(view)) return;
    for (const id of view.reads) {
      const read = byId.get(id);
      if (read && read !== view) add(read);
    }
    ordered.add(view);
  };
  for (const view of views) add(view);
  return [...ordered];
}

async function readViews(client: pg.Client, schema: string): Promise<readonly View[]> {
  const { rows } = await client.query<View>(
    `SELECT c.oid::text AS id, relname AS name, relkind AS kind, relispopulated AS "isPopulated", ARRAY (
       SELECT DISTINCT refobjid::text FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
       WHERE ev_class = c.oid AND refclassid = 'pg_class'::regclass AND refobjid <> c.oid) AS reads
     FROM pg_class c WHERE relnamespace = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace AND relkind IN ('v', 'm')
     ORDER BY c.oid`,
  );
  return rows;
}
