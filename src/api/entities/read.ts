import type { GraphQLResolveInfo } from 'graphql';
import { LRUCache } from 'lru-cache';
import { AppError } from '../../lib/errors.ts';
import { invalidCursor } from '../../orm/pagination.ts';
import { isDataException } from '../../postgres/sql/error-codes.ts';
import { hasPermission } from '../builder.ts';
import type { Context } from '../context.ts';
import type { EntityModel } from './entity-model.ts';
import { type ListArgs, type ListSpec, listArgs, type RawListArgs } from './list-args.ts';
import { type ListSelection, type NodeSelection, selectionOf, selectList, selectNode } from './selection.ts';
import { compileList, compileNode, compileNodes, listsIn } from './sql/compile.ts';
import type { CompiledStatement, StatementInput } from './sql/statement.ts';

/** A row with the columns and relations that were selected, by the keys of its JSON object. */
export type Row = Readonly<Record<string, unknown>>;

/** The rows of a list, one more than the page if there is a further one, and the number of all rows. */
export interface ListData {
  readonly rows?: Row[];
  readonly total?: number;
}

/** The maximum length of all texts that are kept, in characters. All tenants share them. */
const MAX_TEXTS = 16 * 1024 * 1024;
/** What a statement takes besides its text, in characters. */
const OF_STATEMENT = 1_000;
const MAX_REPEATED = 5_000;

/** Statements by selection and by the shape of the arguments. */
const statements = new LRUCache<string, CompiledStatement>({
  maxSize: MAX_TEXTS,
  sizeCalculation: ({ length }, key) => length + key.length + OF_STATEMENT,
});
/** The names of statements that have run. */
const repeated = new LRUCache<string, true>({ max: MAX_REPEATED });
const selectionIds = new WeakMap<object, number>();
let selections = 0;

/**
 * Reads a list with everything selected in it, in one statement.
 * @throws {AppError} BAD_USER_INPUT for invalid arguments, FORBIDDEN for a filter or an order by a column that needs a permission
 */
export async function readList(
  context: Context,
  info: GraphQLResolveInfo,
  spec: ListSpec,
  raw: RawListArgs,
): Promise<ListData> {
  const selection = selectionOf(info, () => selectList(info, spec));
  const lists = [listArgs(spec, raw), ...argsOf(listsIn(selection.node), info)];
  if (!selection.node && !selection.wantsTotal) return {};
  const compiled = statementOf(selection, shapeOf(lists), () => compileList(selection, lists));
  const text = await run(context, info, compiled, { lists }).catch((error: unknown) => {
    // A cursor that was not changed has values of the right types.
    const field = raw.after != null ? 'after' : 'before';
    throw isDataException(error) && raw.filter == null && raw[field] != null ? invalidCursor(field) : error;
  });
  return JSON.parse(text ?? '{}') as ListData;
}

/**
 * Reads one row with everything selected in it, in one statement.
 * @param key the properties that identify the row, and their values
 * @returns null if there is no such row
 * @throws {AppError} BAD_USER_INPUT for invalid arguments
 */
export async function readRow(
  context: Context,
  info: GraphQLResolveInfo,
  model: EntityModel,
  key: Readonly<Record<string, unknown>>,
): Promise<Row | null> {
  const selection = selectionOf(info, () => selectNode(info, model));
  const lists = argsOf(listsIn(selection), info);
  const names = Object.keys(key);
  const shape = `${names} ${shapeOf(lists)}`;
  const compiled = statementOf(selection, shape, () => compileNode(selection, names, lists));
  const text = await run(context, info, compiled, { lists, key: Object.values(key) });
  return text === null ? null : (JSON.parse(text) as Row);
}

/**
 * Reads the rows with some primary keys, with everything selected in them, in one statement.
 * @returns the rows by the text of their keys; those that do not exist are left out
 * @throws {AppError} BAD_USER_INPUT for invalid arguments
 */
export async function readRows(
  context: Context,
  info: GraphQLResolveInfo,
  selection: NodeSelection,
  keys: readonly unknown[],
): Promise<Readonly<Record<string, Row>>> {
  const lists = argsOf(listsIn(selection), info);
  const compiled = statementOf(selection, `several ${shapeOf(lists)}`, () => compileNodes(selection, lists));
  const text = await run(context, info, compiled, { lists, key: keys });
  return JSON.parse(text ?? '{}') as Readonly<Record<string, Row>>;
}

function argsOf(lists: readonly ListSelection[], { variableValues }: GraphQLResolveInfo): ListArgs[] {
  return lists.map(({ spec, args }) => listArgs(spec, args(variableValues)));
}

function statementOf(selection: object, shape: string, compile: () => CompiledStatement): CompiledStatement {
  let id = selectionIds.get(selection);
  if (id === undefined) {
    id = selections++;
    selectionIds.set(selection, id);
  }
  const key = `${id}|${shape}`;
  const found = statements.get(key);
  if (found) return found;
  const statement = compile();
  statements.set(key, statement);
  return statement;
}

function shapeOf(lists: readonly ListArgs[]): string {
  return lists.map(({ shape }) => shape).join('|');
}

async function run(
  context: Context,
  info: GraphQLResolveInfo,
  statement: CompiledStatement,
  input: Omit<StatementInput, 'maxBytes'>,
): Promise<string | null> {
  for (const permission of statement.permissions) await hasPermission(context, permission);
  const { name } = statement;
  const isRepeated = name !== undefined && repeated.has(name);
  if (name !== undefined) repeated.set(name, true);
  const { answer } = context;
  const maxBytes = answer.maxReadBytes;
  const text = await context.tenant.read({
    // Most texts of explorers and attackers come once and are not worth keeping in PostgreSQL.
    name: isRepeated ? name : undefined,
    text: (schema) => statement.text(schema),
    values: statement.values({ ...input, maxBytes }),
  });
  // This throws: it is more than the response may have.
  if (text === '') answer.add(0, maxBytes, info);
  return text;
}

/** The error for a row that does not exist, or no longer. */
export function notFound({ name }: EntityModel, key: Readonly<Record<string, unknown>>): AppError {
  const shown = Object.values(key).join(', ');
  return new AppError('NOT_FOUND', `There is no ${name} ${shown}`, { details: { field: Object.keys(key)[0] } });
}
