import DataLoader from 'dataloader';
import { AppError } from '../lib/errors.ts';
import type { Context } from './context.ts';

/** Loads an object by its id, at most once per request. */
export type RequestLoader<T> = (context: Context, id: string) => Promise<T>;

/**
 * Creates a loader that batches the ids requested together and loads each id once per request.
 * @param load returns the objects or errors, in the order of the ids
 */
export function requestLoader<T>(
  load: (ids: readonly string[], context: Context) => Promise<readonly (T | Error)[]>,
): RequestLoader<T> {
  const loaders = new WeakMap<Context, DataLoader<string, T>>();
  return (context, id) => {
    const loader = loaders.get(context) ?? new DataLoader<string, T>((ids) => load(ids, context));
    loaders.set(context, loader);
    return loader.load(id);
  };
}

/** Puts objects into the order of the ids that were asked for. One that is missing becomes an error, NOT_FOUND. */
export function inOrder<T extends { readonly id: string }>(ids: readonly string[], found: readonly T[]): (T | Error)[] {
  const byId = new Map(found.map((one) => [one.id, one]));
  return ids.map((id) => byId.get(id) ?? new AppError('NOT_FOUND', `The object with the id ${id} no longer exists`));
}
