import DataLoader from 'dataloader';
import type { GraphQLResolveInfo } from 'graphql';
import type { Context } from '../context.ts';
import { kindOf } from './column-kinds.ts';
import type { EntityModel } from './entity-model.ts';
import type { EntityType } from './entity-type.ts';
import { notFound, type Row, readRows } from './read.ts';
import { type NodeSelection, selectionOf, selectNode } from './selection.ts';

const loaders = new WeakMap<Context, WeakMap<NodeSelection, DataLoader<string, Row>>>();

/**
 * Reads what a field has selected of an entity's row, for a field of a type that is not an entity's. The rows of a list are
 * read together, in one statement.
 * @param id the primary key, which must be a single column
 * @throws {AppError} NOT_FOUND if there is no such row
 */
export function loadEntity<T extends object>(
  { model }: EntityType<T>,
  context: Context,
  info: GraphQLResolveInfo,
  id: string,
): Promise<Row> {
  const ofContext = loaders.get(context) ?? new WeakMap<NodeSelection, DataLoader<string, Row>>();
  loaders.set(context, ofContext);
  const selection = selectionOf(info, () => selectNode(info, model));
  const loader = ofContext.get(selection) ?? loaderOf(model, context, info, selection);
  ofContext.set(selection, loader);
  return loader.load(id);
}

function loaderOf(
  model: EntityModel,
  context: Context,
  info: GraphQLResolveInfo,
  selection: NodeSelection,
): DataLoader<string, Row> {
  return new DataLoader<string, Row>(
    async (ids) => {
      const rows = await readRows(context, info, selection, [...new Set(ids)]);
      const [key] = model.primaryKey;
      // PostgreSQL writes UUIDs in small letters.
      const isUuid = key && kindOf(key).scalar === 'ID';
      return ids.map((id) => rows[isUuid ? id.toLowerCase() : id] ?? notFound(model, { [key?.name ?? 'id']: id }));
    },
    // An event later in a subscription must not get an old row.
    { cache: false },
  );
}
