import type { PersistedDocuments } from '../api/persisted-documents.ts';

/** The ids of the console's operations begin with it. The page has it too, in `page/api/api.js`. */
const PREFIX = 'console:';

/** The operations of the page by their ids, for servers that accept no other documents than persisted ones. */
export async function consoleDocuments(): Promise<PersistedDocuments> {
  // By a variable, because the page is checked by itself, with the types of browsers.
  const file = './page/api/documents.js';
  const { documents }: { documents: Readonly<Record<string, string>> } = await import(file);
  return new Map(Object.entries(documents).map(([name, text]) => [`${PREFIX}${name}`, text]));
}
