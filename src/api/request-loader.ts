import DataLoader from 'dataloader';
import type { Context } from './context.ts';

/** Loads one object by its id, once for each request. */
export type RequestLoader<T> = (context: Context, id: string) => Promise<T>;

/**
 * Loads objects by their ids: all ids that are asked for together in one call, and each id once for a request.
 * @param load returns the objects, or errors, in the order of the ids
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
