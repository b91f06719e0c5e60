import { readFile } from 'node:fs/promises';
import path from 'node:path';

const folder = path.join(import.meta.dirname, '../docs');
const snippet = /(<!-- (clients\/[a-z-]+\.ts) -->\n```ts\n).*?(?=```\n)/gs;

/**
 * Returns the text of `docs/frontends.md` with the files of `docs/clients` in their places.
 * `npx vitest run test/docs/client-snippets.unit.test.ts -u` writes the page.
 */
export async function frontendsPage(): Promise<string> {
  const page = await readFile(path.join(folder, 'frontends.md'), 'utf8');
  const files = new Map<string, string>();
  for (const [, , file = ''] of page.matchAll(snippet)) {
    files.set(file, await readFile(path.join(folder, file), 'utf8'));
  }
  return page.replaceAll(snippet, (_all, start: string, file: string) => `${start}${files.get(file)}`);
}
