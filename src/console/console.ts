import type { PersistedDocuments } from '../api/persisted-documents.ts';
import type { Route } from '../api/plugins/use-routes.ts';
import type { Config } from '../config/config.ts';
import { consoleDocuments } from './console-documents.ts';
import { consoleRoutes } from './console-routes.ts';

/** The console for platform admins, as the server needs it. */
export interface Console {
  /** The page and its files. */
  readonly routes: Readonly<Record<string, Route>>;
  /** The documents that the page names by their ids. None if it sends texts. */
  readonly documents: PersistedDocuments;
}

/**
 * Reads the console's files, unless the settings turn it off. Where the API accepts only ids of persisted documents, the
 * console has some of its own.
 */
export async function openConsole({ http, graphql }: Pick<Config, 'http' | 'graphql'>): Promise<Console> {
  if (!http.console) return { routes: {}, documents: new Map() };
  if (graphql.persistedDocuments !== 'only') return { routes: await consoleRoutes('texts'), documents: new Map() };
  return { routes: await consoleRoutes('ids'), documents: await consoleDocuments() };
}
