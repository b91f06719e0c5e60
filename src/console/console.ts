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

/** Reads the console's files. Where the API accepts only ids of persisted documents, the console has some of its own. */
export async function openConsole({ graphql }: Pick<Config, 'graphql'>): Promise<Console> {
  if (graphql.persistedDocuments !== 'only') return { routes: await consoleRoutes('texts'), documents: new Map() };
  return { routes: await consoleRoutes('ids'), documents: await consoleDocuments() };
}

/** What a server without the console has. */
export const noConsole: Console = { routes: {}, documents: new Map() };
