import { globSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Collects a table of which each module may have a part: the export `table` of a file of this name in the module's folder
 * of tests. A module that is deleted takes its part with it.
 */
export async function ofModules<Row>(file: string): Promise<Readonly<Record<string, Row>>> {
  const parts: Record<string, Row> = {};
  for (const found of globSync(path.join(import.meta.dirname, '*', file))) {
    // All files of this name have such an export.
    const { table } = (await import(pathToFileURL(found).href)) as { readonly table: Readonly<Record<string, Row>> };
    Object.assign(parts, table);
  }
  return parts;
}
